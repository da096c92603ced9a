// Ends a server in the middle of an operation of several writes: before or after the n-th write of a key of some kind.
import { StatusError } from '../../src/base/errors.ts'
import type { Store } from '../../src/store/store.ts'

export interface Trap {
  /** Begins the keys whose writes count. */
  prefix: string
  /** The write that springs it, counted down. */
  left: number
  when: 'before' | 'after'
  /** Ends the server that writes. */
  spring(server: number): void
}

/** The traps of all servers of a cluster: the first server that meets the one that is set ends. */
export class Traps {
  #set: Trap | undefined

  set(trap: Trap): void {
    this.#set = trap
  }

  clear(): void {
    this.#set = undefined
  }

  /** The store as a server uses it. */
  around(store: Store, server: number): Store {
    const write = <T>(key: string, work: () => Promise<T>): Promise<T> => this.#write(key, server, work)
    const writes: Partial<Store> = {
      put: (key, ...rest) => write(key, () => store.put(key, ...rest)),
      delete: (key, ...rest) => write(key, () => store.delete(key, ...rest)),
    }
    return new Proxy(store, {
      get(target, name) {
        if (name in writes) return writes[name as keyof Store]
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  async #write<T>(key: string, server: number, work: () => Promise<T>): Promise<T> {
    const trap = this.#set
    if (!trap || !key.startsWith(trap.prefix) || --trap.left !== 0) return work()
    this.#set = undefined
    if (trap.when === 'after') await work().catch(() => {})
    trap.spring(server)
    throw new StatusError('ServiceUnavailable', 'the process has ended')
  }
}
