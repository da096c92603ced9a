// The table of paths that several Ingresses make together.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planRoutes } from './routes.ts'
import { ingressOf } from './testing.ts'

const table = (...looks: Parameters<typeof ingressOf>[0][]) => {
  const { routes, tls, problems, fallback } = planRoutes(looks.map(ingressOf))
  return {
    paths: routes.map(
      ({ host, kind, path, target, canary }) =>
        `${kind} ${host}${path} ${target.service?.name ?? '503'}${canary ? ` or ${canary.target.service?.name}` : ''}`,
    ),
    tls: Object.fromEntries(tls),
    reasons: [...problems].flatMap(([key, all]) => all.map(({ reason }) => `${key} ${reason}`)),
    fallback: fallback?.service?.name,
  }
}

test('paths become exact ones, prefixes of elements, and expressions', () => {
  assert.deepEqual(
    table({
      annotations: { 'use-regex': 'true' },
      rules: [
        {
          host: 'a.b',
          paths: [
            'Exact /e s',
            'Prefix / s',
            'Prefix /foo s',
            'Prefix /bar/ s',
            'ImplementationSpecific /x(.*) s',
            'Exact /y[0-9] s',
          ],
        },
        { paths: ['Prefix /caf%C3%A9 s'] },
      ],
    }).paths,
    [
      'exact a.b/e s',
      'prefix a.b/ s',
      'prefix a.b/foo/ s',
      'prefix a.b/bar/ s',
      'regex a.b/x(.*) s',
      'regex a.b/y[0-9]$ s',
      'prefix */café/ s',
    ],
  )
})

test('the older Ingress has a path that two want, and the younger one is told so', () => {
  const { paths, reasons } = table(
    { name: 'old', rules: [{ host: 'a.b', paths: ['Prefix /foo one'] }] },
    { name: 'young', at: 5, rules: [{ host: 'a.b', paths: ['Prefix /foo/ two', 'Exact /foo two'] }] },
  )
  assert.deepEqual(paths, ['prefix a.b/foo/ one', 'exact a.b/foo two'])
  assert.deepEqual(reasons, ['default/young PathTaken'])
})

test('a default backend takes what the hosts of its Ingress have no path for, and without rules all the rest', () => {
  assert.deepEqual(
    table(
      {
        name: 'a',
        defaultService: 'd',
        rules: [
          { host: 'a.b', paths: ['Prefix /foo s'] },
          { host: 'c.d', paths: ['Prefix / s'] },
        ],
      },
      { name: 'b', defaultService: 'all' },
      { name: 'c', defaultService: 'late' },
    ),
    {
      paths: ['prefix a.b/foo/ s', 'prefix c.d/ s', 'prefix a.b/ d'],
      tls: {},
      reasons: ['default/c PathTaken'],
      fallback: 'all',
    },
  )
})

test('certificates belong to hosts, the older one first', () => {
  const { tls, reasons } = table(
    { name: 'a', tls: [{ hosts: ['a.b'] }, { hosts: ['c.d'], secretName: 'one' }] },
    {
      name: 'b',
      tls: [{ hosts: ['c.d'], secretName: 'two' }, { secretName: 'three' }],
      rules: [{ host: 'e.f', paths: ['Prefix / s'] }],
    },
    { name: 'c', tls: [{ hosts: ['a.b'], secretName: 'four' }] },
  )
  assert.deepEqual(tls, { 'a.b': 'default/four', 'c.d': 'default/one', 'e.f': 'default/three' })
  assert.deepEqual(reasons, ['default/b HostTaken'])
})

test('a canary belongs to a path that another Ingress has', () => {
  const canary = { canary: 'true', 'canary-weight': '20' }
  const { paths, reasons } = table(
    { name: 'c', annotations: canary, rules: [{ host: 'a.b', paths: ['Prefix / new', 'Prefix /none new'] }] },
    { name: 's', rules: [{ host: 'a.b', paths: ['Prefix / old'] }] },
    { name: 'd', annotations: canary, rules: [{ host: 'a.b', paths: ['Prefix / newer'] }] },
  )
  assert.deepEqual(paths, ['prefix a.b/ old or new'])
  assert.deepEqual(reasons, ['default/c CanaryIgnored', 'default/d CanaryIgnored'])
})

test('what cannot be served is refused with a reason', () => {
  const { reasons, paths } = table({
    annotations: { 'rewrite-target': '/$2' },
    rules: [
      {
        host: 'a.b',
        paths: ['ImplementationSpecific /x(.*) s', 'ImplementationSpecific /(a+)+ s', 'ImplementationSpecific /%zz s'],
      },
    ],
  })
  assert.deepEqual(paths, [])
  assert.deepEqual(reasons, ['default/x InvalidPath', 'default/x InvalidPath', 'default/x InvalidPath'])
})
