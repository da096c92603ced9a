// Pods that run a program of test/e2e/programs: Node.js and the programs are mounted from this machine, read-only, and
// the image has the libraries that Node.js needs.
import { dirname } from 'node:path'
import { root } from './cluster.ts'

export const nodeImage = 'test/fixtures/images/node'

interface NodePod {
  /** Further volumes, with the paths where they are seen. */
  mounts?: readonly { mountPath: string; volume: object }[]
  /** Further fields of the container. */
  container?: object
  /** Further fields of the spec. */
  spec?: object
}

/** The spec of a pod that runs a program. */
export function nodePod(program: string, { mounts = [], container, spec }: NodePod): object {
  const all = [
    { mountPath: '/node', volume: { hostPath: { path: dirname(process.execPath) } } },
    { mountPath: '/programs', volume: { hostPath: { path: `${root}test/e2e/programs` } } },
    { mountPath: '/node_modules', volume: { hostPath: { path: `${root}node_modules` } } },
    ...mounts,
  ]
  return {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'main',
        image: 'node-libraries',
        imagePullPolicy: 'IfNotPresent',
        command: ['/node/node', `/programs/${program}`],
        volumeMounts: all.map(({ mountPath }, i) => ({ name: `v${i}`, mountPath, readOnly: true })),
        ...container,
      },
    ],
    volumes: all.map(({ volume }, i) => ({ name: `v${i}`, ...volume })),
    ...spec,
  }
}
