"""What the stages hand to each other, and nothing else: frozen records and their files.

    plan.py      the resolved plan of a run (`plan.json`)
    history.py   what every client saw (`history/*.events`, `history/*.strings`)
    journal.py   faults and member states (`faults.jsonl`, `members.jsonl`)
    meta.py      where and how the run was made (`meta.json`)
    verdict.py   what the judge says (`verdict.json`)
    folder.py    where each of these lies in a run folder

The reports read these and import nothing else of the harness.
"""
