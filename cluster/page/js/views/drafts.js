// What one has begun to write, by user and room: kept over reloads, failovers and changes of the room.

const MOST_CHARACTERS = 10_000;

export class Drafts {
  #storage;
  #user;

  constructor(storage, user) {
    this.#storage = storage;
    this.#user = user;
  }

  /** @returns {{text: string, replyTo: {epoch: string, seq: number}|null}} */
  read(room) {
    try {
      const { text = "", replyTo = null } = JSON.parse(this.#storage?.getItem(this.#key(room)) ?? null) ?? {};
      return { text: String(text), replyTo };
    } catch {
      return { text: "", replyTo: null }; // Someone else's words, or no storage: a draft is not worth an error.
    }
  }

  write(room, { text, replyTo }) {
    const key = this.#key(room);
    try {
      if (text === "" && !replyTo) this.#storage?.removeItem(key);
      else this.#storage?.setItem(key, JSON.stringify({ text: text.slice(0, MOST_CHARACTERS), replyTo }));
    } catch {
      // A full or forbidden storage: the text is still in the field, and only a reload would lose it.
    }
  }

  #key(room) {
    return `wordaround:${encodeURIComponent(this.#user)}:draft:${room}`;
  }
}
