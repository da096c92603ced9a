// The data of a ControllerRevision, with its keys in upstream's order.
import { strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { dataOf, type Workload } from './history.ts'

test('the data of a revision is a patch that replaces the template, with its keys in order', () => {
  const template = {
    metadata: { labels: { b: '2', a: '1' } },
    spec: {
      containers: [{ name: 'c', image: 'app:1', args: ['z', 'a'], resources: {} }],
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
    },
  }
  const spec = { selector: {}, template, revisionHistoryLimit: 10 } as unknown as Workload['spec']
  strictEqual(
    JSON.stringify(dataOf({ spec })),
    '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"1","b":"2"}},' +
      '"spec":{"containers":[{"args":["z","a"],"image":"app:1","name":"c","resources":{}}],' +
      '"dnsPolicy":"ClusterFirst","restartPolicy":"Always"}}}}',
  )
})
