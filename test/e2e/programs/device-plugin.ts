// The device plugin of the end-to-end tests: four things, each of which is a file on the node. A container with some of
// them sees their files, their names in a variable, and a device file. It registers again whenever its socket has gone.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { register, servePlugin } from './device-grpc.ts'

const { DIR = '', RESOURCE = '', CDI = '' } = process.env
const hostDir = '/var/lib/kubelet/device-plugins'
const endpoint = 'things.sock'
const socket = join(DIR, endpoint)
const files = join(DIR, 'things')
mkdirSync(files, { recursive: true })
const ids = ['thing-0', 'thing-1', 'thing-2', 'thing-3']
for (const id of ids) writeFileSync(join(files, id), `I am ${id}\n`)
// A description that a driver writes once, for all its devices.
const described = ids.map(name => ({ name, containerEdits: { env: [`CDI_${name.replace('-', '_')}=yes`] } }))
writeFileSync(join(CDI, 'things.json'), JSON.stringify({ cdiVersion: '0.6.0', kind: RESOURCE, devices: described }))

const methods = {
  GetDevicePluginOptions: () => ({ pre_start_required: true, get_preferred_allocation_available: true }),
  // The last ones first.
  GetPreferredAllocation: ({
    container_requests,
  }: {
    container_requests: { available_deviceIDs: string[]; allocation_size: number }[]
  }) => ({
    container_responses: container_requests.map(({ available_deviceIDs: available, allocation_size: size }) => ({
      deviceIDs: available.toSorted().slice(-size),
    })),
  }),
  Allocate: ({ container_requests }: { container_requests: { devices_ids: string[] }[] }) => ({
    container_responses: container_requests.map(({ devices_ids: given }) => {
      appendFileSync(join(DIR, 'allocated.log'), `${given.toSorted().join()}\n`)
      return {
        envs: { THINGS: given.toSorted().join(), OWN: 'the plugin' },
        mounts: given.map(id => ({
          container_path: `/things/${id}`,
          host_path: `${hostDir}/things/${id}`,
          read_only: true,
        })),
        devices: given.map(id => ({ container_path: `/dev/${id}`, host_path: '/dev/zero', permissions: 'r' })),
        annotations: { 'example.com/things': given.join() },
        cdi_devices: given.map(id => ({ name: `${RESOURCE}=${id}` })),
      }
    }),
  }),
  PreStartContainer({ devices_ids }: { devices_ids: string[] }) {
    for (const id of devices_ids) appendFileSync(join(files, id), 'prepared\n')
    return {}
  },
}

const unhealthy = () =>
  existsSync(join(DIR, 'unhealthy')) ? readFileSync(join(DIR, 'unhealthy'), 'utf8').split('\n') : []
let plugin: Awaited<ReturnType<typeof servePlugin>> | undefined
let listed = ''
for (;;) {
  try {
    if (!plugin || !existsSync(socket)) {
      plugin?.close()
      plugin = undefined
      plugin = await servePlugin(socket, methods)
      listed = ''
      await register(join(DIR, 'kubelet.sock'), endpoint, RESOURCE)
    }
    const down = unhealthy()
    if (listed !== `now ${down.join()}`) {
      listed = `now ${down.join()}`
      plugin.list(
        ids.map(ID => ({ ID, health: down.includes(ID) ? 'Unhealthy' : 'Healthy', topology: { nodes: [{ ID: 0 }] } })),
      )
    }
  } catch (error) {
    console.error(String(error))
    plugin?.close()
    plugin = undefined
  }
  await new Promise(resolve => setTimeout(resolve, 200))
}
