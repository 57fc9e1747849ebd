// What lies before the oldest message that is there: page by page, over HTTP, when somebody scrolls up or sees too little.

const PAGE = 100;
const A_SCREENFUL = 40;
const AGAIN_MS = 1_000;

export class Older {
  #get;
  #isIn;
  #on;
  #timers = new WeakMap(); // Room -> of the next try to fill it
  #over = false;

  /**
   * @param {object} options
   * @param {(path: string) => Promise<any>} options.get
   * @param {(room: object) => boolean} options.isIn  whether the room was not left
   * @param {{changed: (room: object, what: string[]) => void, came: (message: object) => void}} options.on
   */
  constructor({ get, isIn, on }) {
    this.#get = get;
    this.#isIn = isIn;
    this.#on = on;
  }

  /** Fetch the page before the oldest message. @returns {Promise<number>} how many came */
  async load(room, limit = PAGE) {
    if (!room.hasOlder || room.loadingOlder) return 0;
    const before = room.firstSeq ?? room.head + 1;
    room.loadingOlder = true;
    this.#on.changed(room, ["older"]);
    try {
      const page = await this.#get(`/rooms/${room.name}/messages?before=${before}&limit=${limit}`);
      if (before !== (room.firstSeq ?? room.head + 1)) return 0; // A snapshot has come meanwhile.
      const came = room.older(page.messages, page.first);
      came.forEach((message) => this.#on.came(message));
      return came.length;
    } finally {
      room.loadingOlder = false;
      this.#on.changed(room, ["older", "unread"]);
    }
  }

  /** A short history is no picture: fetch what lies before it, and try again where the node fails. */
  fill(room) {
    clearTimeout(this.#timers.get(room));
    if (room.hidden || !room.joined || !this.#isIn(room)) return;
    if (room.messages.length >= A_SCREENFUL || !room.hasOlder) return;
    const again = () => this.#timers.set(room, setTimeout(() => this.fill(room), AGAIN_MS));
    this.load(room).catch(() => this.#over || again());
  }

  close() {
    this.#over = true;
  }
}
