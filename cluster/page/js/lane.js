// What the outbox is made of: own messages, each in a lane until nothing more is to be learnt of it.

/** An own message; the fields up to `at` are the client's `Pending`. */
export class Item {
  state = "pending";
  epoch = null;
  seq = null;
  duplicate = false; // an attempt before the acknowledged one has worked
  error = null;
  attempts = 0; // under the present key
  open = 0; // of these, how many are not answered on this connection
  sentAt = 0; // the last of them
  clean = true; // all others were definitely refused
  doubtAt = null; // the first of those that may have worked
  failures = 0;
  retryAt = 0;
  lane = null;
  n = 0;

  constructor({ key, room, text, replyTo, at }) {
    Object.assign(this, { key, room, text, replyTo, at });
  }
}

/** The unresolved messages of one room and producer, in the order of `n`. */
export class Lane {
  items = [];
  last = 0;
  broken = false; // there is a gap before what is left

  constructor(room, producer) {
    Object.assign(this, { room, producer });
  }

  take(item, n = this.last + 1) {
    this.last = Math.max(this.last, n);
    Object.assign(item, { lane: this, producer: this.producer, n, attempts: 0, failures: 0, retryAt: 0 });
    this.items.push(item);
  }

  drop(item) {
    this.items.splice(this.items.indexOf(item), 1);
    item.lane = null;
  }

  get isOpen() {
    return this.items.some((item) => item.open);
  }
}
