// The store keeps everything the cluster must not forget, as bytes under keys. It is a log: each write gets
// the next revision, a read looks at one revision, a watch reads on from one. `openEmbeddedStore` keeps the
// log in a directory of this machine, `openMemoryStore` nowhere. Start reading at store.ts; log-store.ts is
// the machine.
export { StoreConflict, tooLarge } from './store.ts'
export type { Change, Entry, Store } from './store.ts'
export { openMemoryStore } from './memory.ts'
export { openEmbeddedStore } from './embedded.ts'
export type { EmbeddedOptions } from './embedded.ts'
