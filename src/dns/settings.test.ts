// The settings that people write: what is read from them, and which mistakes are named.
import { deepStrictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { readSettings } from './settings.ts'

const read = (data: { [key: string]: string }) => readSettings(data, 'cluster.local')

test('stub domains and upstream servers are read, with ports and addresses of both families', () => {
  deepStrictEqual(
    read({
      stubDomains: '{"acme.local": ["10.0.0.53", "[fd00::53]:5353"], "10.in-addr.arpa": []}',
      upstreamNameservers: '["8.8.8.8:5300", "2001:4860:4860::8888"]',
    }),
    {
      stubDomains: {
        'acme.local': [
          { address: '10.0.0.53', port: 53 },
          { address: 'fd00::53', port: 5353 },
        ],
        '10.in-addr.arpa': [],
      },
      upstreamNameservers: [
        { address: '8.8.8.8', port: 5300 },
        { address: '2001:4860:4860::8888', port: 53 },
      ],
    },
  )
})

test('without settings there are none, and an empty list stands for the resolvers of the machine', () => {
  const none = { stubDomains: {}, upstreamNameservers: undefined }
  deepStrictEqual(read({}), none)
  deepStrictEqual(read({ stubDomains: '', upstreamNameservers: '[]' }), none)
  deepStrictEqual(read({ federations: 'x', stubDomains: 'null' }), none)
})

const mistakes: readonly (readonly [data: { [key: string]: string }, message: RegExp])[] = [
  [{ stubDomains: '{' }, /^data\.stubDomains: is no JSON: /],
  [{ stubDomains: '[]' }, /^data\.stubDomains: must be a JSON object of lists/],
  [{ stubDomains: '{"a_b": ["1.2.3.4"]}' }, /^data\.stubDomains\[a_b\]: is no domain name/],
  [{ stubDomains: '{"cluster.local": ["1.2.3.4"]}' }, /^data\.stubDomains\[cluster\.local\]: is the domain of the/],
  [{ stubDomains: '{"a.b": "1.2.3.4"}' }, /^data\.stubDomains\[a\.b\]: must be a list of addresses/],
  [{ stubDomains: '{"a.b": ["ns.a.b"]}' }, /^data\.stubDomains\[a\.b\]\[0\]: "ns\.a\.b" is no address/],
  [{ upstreamNameservers: '["8.8.8.8:0"]' }, /^data\.upstreamNameservers\[0\]: "8\.8\.8\.8:0" is no address/],
  [{ upstreamNameservers: '["8.8.8.8:99999"]' }, /^data\.upstreamNameservers\[0\]/],
  [{ upstreamNameservers: '["fe80::1%eth0"]' }, /^data\.upstreamNameservers\[0\]/],
  [{ upstreamNameservers: '[8]' }, /^data\.upstreamNameservers\[0\]: 8 is no address/],
  [{ upstreamNameservers: '["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4"]' }, /^data\.upstreamNameservers: at most 3/],
]
for (const [data, message] of mistakes)
  test(`${JSON.stringify(data)} is refused`, () => throws(() => read(data), { message }))
