// Registration with real sockets: plugins that come, hang, lie, fail, are started again and go. The plugins are served from
// .proto files, so the kubelet's own definitions are compared with those.
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { CsiMessage } from '../../src/kubelet/csi/calls.ts'
import { CsiDrivers } from '../../src/kubelet/csi/drivers.ts'
import { csiHandler } from '../../src/kubelet/csi/handler.ts'
import { deviceHandler } from '../../src/kubelet/devices/index.ts'
import { PluginRegistration } from '../../src/kubelet/plugins/registration.ts'
import { type Handler, refuse, serve, status } from '../e2e/programs/csi-grpc.ts'

const never = new Promise<never>(() => {})

async function eventually(what: string, holds: () => boolean): Promise<void> {
  const deadline = realClock.now() + 20_000
  while (!holds()) {
    if (realClock.now() > deadline) throw new Error(`still waiting for: ${what}`)
    await realClock.sleep(20)
  }
}

interface Plugin {
  name: string
  type?: string
  versions?: string[]
  getInfo?: Handler
  nodeGetInfo?: Handler
  notify?: Handler
}

/** A directory of sockets, a kubelet that looks at it, and what it has done. */
async function withRegistry(
  run: (place: {
    drivers: CsiDrivers
    record: string[]
    infos: Map<string, CsiMessage<'NodeGetInfoResponse'>>
    /** Starts a plugin. Returns a function that ends it and removes its sockets. */
    start(plugin: Plugin): Promise<() => void>
  }) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'kutter-plugins-'))
  const stop = new AbortController()
  const record: string[] = []
  const infos = new Map<string, CsiMessage<'NodeGetInfoResponse'>>()
  const ends = new Set<() => void>()
  const drivers = new CsiDrivers()
  const start = async ({ name, type = 'CSIPlugin', versions = ['1.0.0'], ...handlers }: Plugin) => {
    const file = name.replaceAll('/', '-')
    const sockets = { driver: join(root, `${file}.sock`), registration: join(root, 'registry', `${file}-reg.sock`) }
    const driver = await serve(sockets.driver, 'csi.proto', {
      'csi.v1.Node': {
        NodeGetInfo: handlers.nodeGetInfo ?? (() => ({ node_id: `id-${name}`, max_volumes_per_node: 7 })),
      },
    })
    const info = { type, name, endpoint: `/endpoint/${file}.sock`, supported_versions: versions }
    const registration = await serve(sockets.registration, 'registration.proto', {
      'pluginregistration.Registration': {
        GetInfo: handlers.getInfo ?? (() => info),
        NotifyRegistrationStatus:
          handlers.notify ??
          (({ plugin_registered: registered, error }) => {
            record.push(`${name} ${registered ? 'registered' : error}`)
            return {}
          }),
      },
    })
    const end = () => {
      ends.delete(end)
      registration.forceShutdown()
      driver.forceShutdown()
      for (const socket of Object.values(sockets)) rmSync(socket, { force: true })
    }
    ends.add(end)
    return end
  }
  const install = async (name: string, info: CsiMessage<'NodeGetInfoResponse'>) => {
    infos.set(name, info)
    record.push(`install ${name}`)
  }
  const uninstall = async (name: string) => void record.push(`uninstall ${name}`)
  const devices = {
    register: async (resource: string, socket: string) =>
      void record.push(`device ${resource} ${socket.replace(root, '')}`),
    unregister: (resource: string) => void record.push(`no device ${resource}`),
  }
  try {
    mkdirSync(join(root, 'registry'))
    await new PluginRegistration({
      dir: join(root, 'registry'),
      handlers: new Map([
        ['CSIPlugin', csiHandler({ drivers, install, uninstall, log: silentLog })],
        ['DevicePlugin', deviceHandler(devices)],
      ]),
      pathOf: endpoint => endpoint.replace('/endpoint', root),
      clock: realClock,
      log: silentLog,
      signal: stop.signal,
    }).start()
    await run({ drivers, record, infos, start })
  } finally {
    stop.abort(new Error('the test ends'))
    for (const end of ends) end()
    drivers.close()
    rmSync(root, { recursive: true, force: true })
  }
}

test('a driver registers when it comes, when it is started again, and is taken out when it goes', () =>
  withRegistry(async ({ drivers, record, infos, start }) => {
    const end = await start({ name: 'a.io' })
    await eventually('it is registered', () => record.length === 2)
    deepStrictEqual(record.splice(0), ['install a.io', 'a.io registered'])
    deepStrictEqual(infos.get('a.io'), { nodeId: 'id-a.io', maxVolumesPerNode: 7, accessibleTopology: null })
    strictEqual(drivers.has('a.io'), true)
    // Another socket is in the place of the first at once, as after a crash. Nothing is uninstalled in between.
    await start({ name: 'a.io' })
    await eventually('it is registered again', () => record.length === 2)
    deepStrictEqual(record.splice(0), ['install a.io', 'a.io registered'])
    end()
    await eventually('it is taken out', () => record.length > 0)
    deepStrictEqual(record, ['uninstall a.io'])
    strictEqual(drivers.has('a.io'), false)
  }))

test('a device plugin registers with the devices of the node, and goes with its socket', () =>
  withRegistry(async ({ drivers, record, start }) => {
    const end = await start({ name: 'a.io/gpu', type: 'DevicePlugin', versions: ['v1beta1'] })
    await eventually('it is registered', () => record.length === 2)
    deepStrictEqual(record.splice(0), ['device a.io/gpu /a.io-gpu.sock', 'a.io/gpu registered'])
    end()
    await eventually('it is taken out', () => record.length > 0)
    deepStrictEqual(record, ['no device a.io/gpu'])
    strictEqual(drivers.has('a.io/gpu'), false)
  }))

test('plugins that hang, refuse, lie or are of another type delay no other', () =>
  withRegistry(async ({ drivers, record, start }) => {
    let tries = 0
    await start({ name: 'hangs.io', getInfo: () => never })
    await start({ name: 'mute.io', notify: () => never })
    await start({ name: 'gpu', type: 'Other' })
    await start({ name: 'old.io', versions: ['0.3.0'] })
    await start({ name: 'empty.io', getInfo: () => ({}) })
    await start({
      name: 'slow.io',
      nodeGetInfo() {
        if (++tries === 1) throw refuse(status.UNAVAILABLE, 'not yet')
        return { node_id: 'id' }
      },
    })
    await start({ name: 'good.io' })
    await eventually('the good one is registered', () => record.includes('good.io registered'))
    await eventually('the slow one is registered at its second try', () => record.includes('slow.io registered'))
    const said = (name: string) => record.find(line => line.startsWith(`${name} `)) ?? ''
    strictEqual(
      said('slow.io'),
      'slow.io RegisterPlugin error -- plugin registration failed with err: rpc error: code = Unavailable desc = not yet',
    )
    match(said('gpu'), /^gpu No handler registered for plugin type: Other at socket \/.*\/gpu-reg.sock$/)
    match(said('old.io'), /None of the versions specified \["0.3.0"\] are supported.$/)
    match(said('empty.io'), /^empty.io No handler registered for plugin type:  at socket /)
    deepStrictEqual(
      ['good.io', 'slow.io', 'mute.io', 'gpu', 'old.io', 'hangs.io'].map(name => drivers.has(name)),
      [true, true, true, false, false, false],
    )
  }))
