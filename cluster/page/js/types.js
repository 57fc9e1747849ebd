/**
 * What the client shows, as types; there is nothing else in this file.
 *
 * @typedef {object} State
 * @property {'connecting'|'connected'|'reconnecting'|'offline'} status  'offline': no node has answered the last round
 *     of tries, or it was closed, or refused for good (`reason` says); it goes on trying unless `retryAt` is null
 * @property {{id: string|null, url: string}} node  the node that serves, or served last
 * @property {number|null} retryAt  when the next try begins, by `now()` (ms); null while one is under way
 * @property {number} attempt  tries since the connection was lost
 * @property {string|null} reason  why there is no connection, as a sentence for people
 * @property {Peer[]} peers  the other nodes, by id
 * @property {number|null} roundTripMs  to the node that serves, over HTTP
 * @property {object|null} health  the last `/health` of the node that serves
 * @property {boolean} draining  the node that serves is about to stop
 * @property {number} moved  how often it has changed the node by itself
 * @property {boolean} persistent  whether what is pending would survive a reload
 *
 * @typedef {object} Peer
 * @property {string} id
 * @property {string} url
 * @property {'alive'|'suspect'|'dead'|'draining'} state  as the serving node says
 * @property {number|null} roundTripMs  from this page to it; null: it has not answered
 * @property {object|null} health  its last `/health`
 *
 * @typedef {object} Message  as in the protocol
 * @property {string} room
 * @property {string} epoch
 * @property {number} seq
 * @property {string|null} producer
 * @property {number|null} n
 * @property {string} user
 * @property {string} text
 * @property {number} sent_at  Unix seconds
 * @property {string} node  the node that committed it
 * @property {{epoch: string, seq: number}} [reply_to]
 *
 * @typedef {object} Pending  an own message that has not come back from the log yet
 * @property {string} key  unique for this user
 * @property {string} text
 * @property {'pending'|'committed'|'failed'} state  committed: acknowledged at `seq`, and about to be delivered
 * @property {number|null} seq
 * @property {{code: string, message: string, definite: boolean}|null} error  `definite: false`: it may be in the
 *     log all the same, so `retry` may send it twice
 * @property {{epoch: string, seq: number}|null} replyTo
 * @property {number} at  when it was written, by `now()` (ms)
 *
 * @typedef {object} Divider
 * @property {number} afterSeq  it stands behind the message with this seq (or before all, if that is not there)
 * @property {'caught-up'|'gap'} kind
 * @property {number|null} count  messages caught up; of a gap, shown messages that are gone; null: not known
 *
 * @typedef {object} Room
 * @property {string} name
 * @property {string|null} direct  the other user of a direct conversation, null in a room for all
 * @property {string|null} epoch
 * @property {number} head  the last contiguous seq that was received
 * @property {Message[]} messages  confirmed, by position; contiguous
 * @property {Pending[]} pending  in the order of sending
 * @property {{user: string, node: string, state: 'online'|'lost'}[]} people
 * @property {string[]} typing  others who are writing
 * @property {Map<string, number>} reads  user -> last seq that the user has read; of others, and one's own
 * @property {number} unread  messages behind one's own last read position, own ones not counted where they are known
 * @property {number|null} firstSeq  of `messages`
 * @property {boolean} hasOlder  whether `loadOlder` would bring more
 * @property {boolean} loadingOlder
 * @property {Divider[]} dividers
 * @property {boolean} joined  on the present connection
 * @property {{code: string, message: string}|null} error  why the node lets nobody in, where that is for good
 * @property {number} lastDelivered  by `now()` (ms), when something last came live; 0: never
 */

export {};
