// The request of a plugin that registers: which resource it has, and on which socket. Pure.
// Source: pkg/kubelet/cm/devicemanager/plugin/v1beta1/server.go (Register).
import { join } from 'node:path'

const supported = 'v1beta1'

/** Throws an error that says why the request is refused. `dir` is the directory of the sockets. */
export function planRegister(request: object, dir: string): { resource: string; socket: string } {
  const fields = new Map<string, unknown>(Object.entries(request))
  const textOf = (name: string) => {
    const value = fields.get(name)
    return typeof value === 'string' ? value : ''
  }
  const [version, endpoint] = [textOf('version'), textOf('endpoint')]
  if (version !== supported)
    throw new Error(
      `requested API version ${JSON.stringify(version)} is not supported by kubelet. Supported version is [${JSON.stringify(supported)}]`,
    )
  // Upstream would follow a path out of the directory.
  if (!/^[^/\0]+$/.test(endpoint) || ['.', '..', 'kubelet.sock'].includes(endpoint))
    throw new Error(`the endpoint ${JSON.stringify(endpoint)} is not the name of a socket in the directory of plugins`)
  return { resource: textOf('resourceName'), socket: join(dir, endpoint) }
}
