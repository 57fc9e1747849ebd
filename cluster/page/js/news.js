/** What has changed, told once each turn of the event loop, however much it was. */

export class News {
  #target;
  #state;
  #timer = null;
  #fresh = { state: false, rooms: false, room: new Map() };

  /** @param {EventTarget} target @param {() => object} state  what a 'state' event carries */
  constructor(target, state) {
    this.#target = target;
    this.#state = state;
  }

  state() {
    this.#fresh.state = true;
    this.#soon();
  }

  rooms() {
    this.#fresh.rooms = true;
    this.#soon();
  }

  room(name, what) {
    const { room } = this.#fresh;
    if (!room.has(name)) room.set(name, new Set());
    for (const one of what) room.get(name).add(one);
    this.#soon();
  }

  close() {
    clearTimeout(this.#timer);
  }

  #soon() {
    this.#timer ??= setTimeout(() => this.#tell(), 0);
  }

  #tell() {
    const { state, rooms, room } = this.#fresh;
    this.#timer = null;
    this.#fresh = { state: false, rooms: false, room: new Map() };
    const tell = (type, detail) => this.#target.dispatchEvent(new CustomEvent(type, { detail }));
    if (rooms) tell("rooms");
    for (const [name, what] of room) tell("room", { room: name, what });
    if (state) tell("state", this.#state());
  }
}
