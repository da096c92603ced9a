// Pods that run a program of test/e2e/programs: Node.js and the programs are mounted from this machine, read-only, and
// the image has the libraries that Node.js needs.
import { dirname } from 'node:path'
import { root } from './cluster.ts'

export const nodeImage = 'test/fixtures/images/node'

/** The spec of a pod that runs a program. `mounts` are further volumes, with the paths where they are seen. */
export const nodePod = (
  program: string,
  {
    mounts = [],
    container = {},
    ...more
  }: { mounts?: { mountPath: string; volume: object }[]; container?: object } & object,
) => {
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
    ...more,
  }
}
