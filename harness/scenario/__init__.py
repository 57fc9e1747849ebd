"""The scenario language: YAML in, a frozen `Scenario` out, all errors at once.

library.py   an argument of the command -> the text of a file, or of a scenario that ships
source.py    YAML text -> plain data and where everything stands
values.py    the kinds of single values, and the sentences where they are wrong
model.py     the keys: types, defaults
shape.py     plain data -> `Scenario`, or what is wrong with single keys
facts.py     what is known while parts are still wrong
targets.py   whom a target can hit, and how many
sense.py     what does not fit together
parse.py     all of it: text -> `Scenario`, or one error with every mistake
"""
