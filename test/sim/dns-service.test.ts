// The endpoints of kube-dns follow the nodes, even if single writes fail.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from '../../src/base/errors.ts'
import { keepDnsService } from '../../src/cluster/dns-service.ts'
import { EndpointSlice } from '../../src/kinds/discovery/endpointslice.ts'
import { simulate } from './cluster.ts'

const ref = { namespace: 'kube-system', name: 'kube-dns' }

test('every node becomes an endpoint, even if writes fail and the endpoints are deleted', () =>
  simulate({ scheduler: false }, async sim => {
    const client = sim.plane.client('kutter', ['system:masters'])
    let failing = 0
    const unsteady = new Proxy(client, {
      get(target, property) {
        const value = Reflect.get(target, property, target) as unknown
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if ((property === 'create' || property === 'update') && failing-- > 0)
            throw new StatusError('ServiceUnavailable', 'the connection to the server was lost')
          return (value as (...args: unknown[]) => unknown).apply(target, args)
        }
      },
    })
    const nodes = async () => (await client.find(EndpointSlice, ref))?.endpoints.map(e => e.nodeName)
    await keepDnsService(
      unsteady,
      { dnsAddress: '10.96.0.10', podCidrs: ['10.244.0.0/16'] },
      new AbortController().signal,
    )
    failing = 3
    await sim.addNode('a')
    await sim.addNode('b')
    await sim.clock.forward(3000)
    ok(failing < 0)
    deepStrictEqual(await nodes(), ['a', 'b'])
    failing = 3
    await sim.addNode('c')
    await sim.clock.forward(3000)
    deepStrictEqual(await nodes(), ['a', 'b', 'c'])
    await client.delete(EndpointSlice, ref)
    await sim.clock.forward(1000)
    deepStrictEqual(await nodes(), ['a', 'b', 'c'])
  }))
