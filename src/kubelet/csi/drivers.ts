// The drivers that are registered on this node, by name, with a client for each. What a driver can do is asked once for
// each registration.
import { assert } from '../../base/errors.ts'
import { connectDriver, type CsiClient, type CsiMessage, type CsiNodeCalls } from './calls.ts'

type Capability = CsiMessage<'NodeRpc'>['type']

export interface Driver {
  readonly name: string
  /** The socket of the driver on the node. */
  readonly socket: string
  readonly node: CsiNodeCalls
  /** Whether the driver's node service has a capability. Asks the driver the first time. */
  can(capability: Capability, signal?: AbortSignal): Promise<boolean>
}

interface Registered extends Driver {
  client: CsiClient
}

export class CsiDrivers {
  readonly #drivers = new Map<string, Registered>()
  readonly #connect: (socket: string) => CsiClient

  /** @param connect makes the client of a driver */
  constructor(connect: (socket: string) => CsiClient = connectDriver) {
    this.#connect = connect
  }

  /** Throws an error in upstream's words when no driver has the name. */
  get(name: string): Driver {
    const driver = this.#drivers.get(name)
    if (!driver) throw new Error(`driver name ${name} not found in the list of registered CSI drivers`)
    return driver
  }

  has(name: string): boolean {
    return this.#drivers.has(name)
  }

  /** Adds a driver, in place of one with its name. */
  add(name: string, socket: string): Driver {
    assert(name, 'a driver has a name')
    this.remove(name)
    const client = this.#connect(socket)
    const driver = { name, socket, node: client.node, client, can: capabilitiesOf(client) }
    this.#drivers.set(name, driver)
    return driver
  }

  remove(name: string): void {
    this.#drivers.get(name)?.client.close()
    this.#drivers.delete(name)
  }

  close(): void {
    for (const name of this.#drivers.keys()) this.remove(name)
  }
}

/** Answers from one call to the driver. A call that failed is not kept, so that the next question asks again. */
function capabilitiesOf({ node }: CsiClient): Driver['can'] {
  let known: ReadonlySet<string> | undefined
  return async (capability, signal) => {
    if (!known) {
      const { capabilities } = await node.nodeGetCapabilities({}, { signal })
      known = new Set(capabilities.map(({ rpc }) => rpc?.type ?? 'UNKNOWN'))
    }
    return known.has(capability)
  }
}
