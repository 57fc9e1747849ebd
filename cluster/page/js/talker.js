// Somebody who talks, so that there is something to see: off until it is asked for, slow, and it stops by itself.

export const TALK_S = 60; // then it stops
const PER_SECOND = 2;
const PATIENT = 5; // who has so many unsent messages gets no more

const WORDS = (
  "amber basin cedar delta ember fjord grove heron inlet jetty knoll larch maple north ocean pearl quartz river " +
  "shore tidal umber vale willow yarrow zephyr"
).split(" ");

/** Lets views of a room send in turn. Dispatches "change" when it starts, says something, or stops. */
export class Talker extends EventTarget {
  #views;
  #timer = null;
  #said = 0;

  /** `views()` returns [{waiting, send(text)}], those that may be asked to send. */
  constructor(views) {
    super();
    this.#views = views;
  }

  get talking() {
    return this.#timer !== null;
  }

  /** Seconds until it stops. */
  get left() {
    return this.talking ? Math.ceil(TALK_S - this.#said / PER_SECOND) : 0;
  }

  start() {
    if (this.talking) return;
    this.#said = 0;
    this.#timer = setInterval(() => this.#talk(), 1000 / PER_SECOND);
    this.#changed();
  }

  stop() {
    if (!this.talking) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#changed();
  }

  #talk() {
    if (this.left <= 0) return this.stop();
    const views = this.#views();
    const view = views[this.#said % Math.max(1, views.length)];
    if (view && view.waiting < PATIENT) view.send(`${this.#said + 1} ${WORDS[this.#said % WORDS.length]}`);
    this.#said += 1;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
