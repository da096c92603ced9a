// The engine by its face: rules on data with a schema and without one, authorization, mutation.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  adapt,
  adaptUntyped,
  authorizerType,
  compile,
  declare,
  defaultCostLimit,
  deviceSelection,
  escapeField,
  estimateCost,
  estimatorWith,
  Failure,
  kubernetes,
  LazyMap,
  makeAuthorizer,
  makeQuantity,
  makeRequestResource,
  makeSemver,
  misnamedObject,
  mutation,
  mutationTypes,
  objectsOf,
  Pending,
  quantityType,
  resourceCheckType,
  semverType,
  sizesOf,
  toJson,
  types,
  type AuthorizationAnswer,
  type AuthorizationQuestion,
  type Declared,
  type Environment,
  type ObjectTypes,
  type Program,
  type Schema,
  type SizeOf,
  type Value,
} from './index.ts'

function programOf(text: string, environment: Environment): Program {
  const { program, error } = compile(text, environment) as { program?: Program; error?: string }
  return program ?? assert.fail(error)
}

const errorOf = (text: string, environment: Environment): string => compile(text, environment).error ?? 'no error'

const valueOf = (value: Value): unknown => (value instanceof Failure ? `failed: ${value.message}` : value)

suite('a rule of a custom resource', () => {
  const schema: Schema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          replicas: { type: 'integer' },
          names: { type: 'array', maxItems: 10, items: { type: 'string', maxLength: 5 } },
          'a-b': { type: 'string' },
          namespace: { type: 'string' },
        },
      },
    },
  }
  const self: Declared = declare(schema, 'self', true) ?? assert.fail()
  const objects: ObjectTypes = objectsOf(self)
  const environment = kubernetes.extend({ variables: { self: self.type, oldSelf: self.type }, objects })
  const data = { metadata: { name: 'x' }, spec: { replicas: 3, names: ['a', 'b'], 'a-b': 'c', namespace: 'd' } }

  test('holds or does not', () => {
    const program = programOf('self.spec.replicas <= 5 && self.metadata.name == "x"', environment)
    assert.deepEqual(program.evaluate({ self: adapt(data, schema, true) }), { value: true, cost: 8 })
    assert.equal(program.type.kind, 'bool')
  })

  test('is refused with the words of upstream', () => {
    assert.equal(
      errorOf('self.spec.size > 1', environment),
      "ERROR: <input>:1:10: undefined field 'size'\n | self.spec.size > 1\n | .........^",
    )
  })

  test('has names of fields escaped, and words that are reserved as they are', () => {
    assert.equal(escapeField('a-b'), 'a__dash__b')
    const program = programOf('self.spec.a__dash__b == "c" && self.spec.namespace == "d"', environment)
    assert.equal(program.evaluate({ self: adapt(data, schema, true) }).value, true)
  })

  test('has an estimate by the sizes of its schema', () => {
    const sizes: SizeOf = sizesOf({ self })
    const { node } = programOf('self.spec.names.all(n, n.startsWith("a"))', environment)
    // For each of ten names: n, startsWith, the accumulator twice and its test.
    assert.deepEqual(estimateCost(node, estimatorWith(sizes)), { min: 4n, max: 54n })
  })

  test('compares with the old object', () => {
    const program = programOf('self.spec == oldSelf.spec', environment)
    const oldSelf = adapt({ spec: { ...data.spec, replicas: 4 } }, schema, true)
    assert.equal(program.evaluate({ self: adapt(data, schema, true), oldSelf }).value, false)
  })

  test('fails on data that is not of the schema', () => {
    const program = programOf('self.spec.replicas > 1', environment)
    const wrong = adapt({ spec: { replicas: 'three' } }, schema, true)
    assert.equal(valueOf(program.evaluate({ self: wrong }).value), 'failed: invalid data, expected int, got string')
  })
})

suite('data without a schema', () => {
  const environment = kubernetes.extend({ variables: { object: types.dyn } })
  const rows: readonly (readonly [rule: string, data: unknown, value: unknown])[] = [
    ['object.a.b + 1', { a: { b: 2 } }, 3n],
    ['object.a.b', { a: {} }, 'failed: no such key: b'],
    ['has(object.a.b)', { a: {} }, false],
    ['object.list[1] == 1.5', { list: [1, 1.5] }, true],
    ['object.list[2]', { list: [1, 1.5] }, 'failed: index out of bounds: 2'],
    ['object.x == null', { x: null }, true],
    ['object.?a.?b.orValue("none")', {}, 'none'],
    ['object.all(k, v, v > 0 && k != "")', { a: 1, b: 2 }, true],
  ]
  for (const [rule, data, value] of rows)
    test(rule, () => {
      const found = programOf(rule, environment).evaluate({ object: adaptUntyped(data) })
      assert.deepEqual(valueOf(found.value), value)
    })

  test('has no fields but its own', () => {
    const data = adaptUntyped(JSON.parse('{"a": {}, "__proto__": {"polluted": true}}'))
    for (const name of ['constructor', 'toString', 'hasOwnProperty', 'polluted', 'length']) {
      assert.equal(programOf(`has(object.${name})`, environment).evaluate({ object: data }).value, false)
      assert.equal(programOf(`"${name}" in object`, environment).evaluate({ object: data }).value, false)
    }
    assert.equal(programOf('has(object.__proto__.polluted)', environment).evaluate({ object: data }).value, true)
    assert.equal(programOf('{"__proto__": 1}["__proto__"] == 1', environment).evaluate({}).value, true)
    assert.equal(
      valueOf(programOf('{"a": 1}["constructor"]', environment).evaluate({}).value),
      'failed: no such key: constructor',
    )
    assert.equal(
      errorOf('constructor', environment).split('\n')[0],
      "ERROR: <input>:1:1: undeclared reference to 'constructor' (in container '')",
    )
    assert.equal(
      errorOf('toString()', environment).split('\n')[0],
      "ERROR: <input>:1:9: undeclared reference to 'toString' (in container '')",
    )
  })

  test('has a limit on costs', () => {
    const { value, cost } = programOf('object.all(x, x > 0)', environment).evaluate(
      { object: adaptUntyped([1, 2, 3]) },
      10,
    )
    assert.equal(valueOf(value), 'failed: operation cancelled: actual cost limit exceeded')
    assert.ok(cost > 10)
    assert.equal(defaultCostLimit, 1_000_000)
  })
})

suite('authorization', () => {
  const environment = kubernetes.extend({
    variables: { authorizer: authorizerType, 'authorizer.requestResource': resourceCheckType },
  })
  const asked: AuthorizationQuestion[] = []
  const decide = (question: AuthorizationQuestion): AuthorizationAnswer => {
    asked.push(question)
    if (question.verb === 'fail') throw new Error('no answer')
    return { allowed: question.resource === 'pods', reason: 'because' }
  }

  test('puts the whole question', () => {
    const authorizer = makeAuthorizer(decide)
    const rule =
      "authorizer.serviceAccount('ns', 'sa').group('').resource('pods').subresource('log').namespace('x').name('y')" +
      ".fieldSelector('a=b').labelSelector('c').check('get').allowed()"
    assert.equal(programOf(rule, environment).evaluate({ authorizer }).value, true)
    assert.deepEqual(asked.pop(), {
      serviceAccount: { namespace: 'ns', name: 'sa' },
      verb: 'get',
      group: '',
      resource: 'pods',
      subresource: 'log',
      namespace: 'x',
      name: 'y',
      fieldSelector: 'a=b',
      labelSelector: 'c',
    })
    const path = "authorizer.path('/healthz').check('get').reason() == 'because'"
    assert.equal(programOf(path, environment).evaluate({ authorizer }).value, true)
    assert.deepEqual(asked.pop(), { path: '/healthz', verb: 'get' })
  })

  test('asks about the resource of the request', () => {
    const authorizer = makeAuthorizer(decide)
    const requestResource = makeRequestResource(authorizer, { group: 'apps', resource: 'pods', namespace: 'x' })
    const program = programOf("authorizer.requestResource.check('watch').allowed()", environment)
    assert.equal(program.evaluate({ authorizer, 'authorizer.requestResource': requestResource }).value, true)
    assert.deepEqual(asked.pop(), { verb: 'watch', group: 'apps', resource: 'pods', namespace: 'x' })
  })

  test('waits for answers, and asks each question once', async () => {
    let questions = 0
    const authorizer = makeAuthorizer(async question => {
      questions++
      return decide(question)
    })
    const check = (resource: string, verb: string) => `authorizer.group('').resource('${resource}').check('${verb}')`
    const rule = `${check('pods', 'get')}.allowed() && !${check('nodes', 'get')}.allowed()`
    const program = programOf(rule, environment)
    assert.throws(() => program.evaluate({ authorizer }), Pending)
    assert.deepEqual(await program.evaluateAsync({ authorizer }), { value: true, cost: 700_009 })
    assert.equal(questions, 2)
    const failing = programOf(
      `${check('pods', 'fail')}.errored() && ${check('pods', 'fail')}.error() == 'no answer'`,
      environment,
    )
    assert.equal((await failing.evaluateAsync({ authorizer })).value, true)
  })

  for (const [rule, message] of [
    ["authorizer.path(' ')", 'path must not be empty'],
    ["authorizer.group('').resource('')", 'resource must not be empty'],
    ["authorizer.serviceAccount('not valid', 'x')", 'Invalid service account namespace'],
    ["authorizer.serviceAccount('x', 'not valid')", 'Invalid service account name'],
  ] as const)
    test(rule, () => {
      const { value } = programOf(rule, environment).evaluate({ authorizer: makeAuthorizer(decide) })
      assert.equal(valueOf(value), `failed: ${message}`)
    })
})

suite('values that the caller computes', () => {
  test('variables of a policy are evaluated when they are used, and once', () => {
    const objects: ObjectTypes = {
      fieldType: (_, field) => (field === 'double' ? types.int : field === 'broken' ? types.int : undefined),
    }
    const environment = kubernetes.extend({
      variables: { object: types.dyn, variables: types.object('vars') },
      objects,
    })
    const object = adaptUntyped({ n: 21 })
    const programs: Record<string, Program> = {
      double: programOf('object.n * 2', environment),
      broken: programOf('object.nothing', environment),
    }
    let evaluated = 0
    const variables = new LazyMap(Object.keys(programs), name => {
      evaluated++
      return programs[name]!.evaluate({ object }).value
    })
    const program = programOf('variables.double == 42 && variables.double > 1 || variables.broken > 1', environment)
    assert.equal(program.evaluate({ object, variables }).value, true)
    assert.equal(evaluated, 1)
    const broken = programOf('variables.broken > 1', environment).evaluate({ object, variables })
    assert.equal(valueOf(broken.value), 'failed: no such key: nothing')
    assert.match(errorOf('variables.other', environment), /undefined field 'other'/)
  })

  test('attributes of a device', () => {
    const device = types.map(types.string, types.map(types.string, types.dyn))
    const environment = deviceSelection.extend({
      variables: { attributes: device, capacity: types.map(types.string, quantityType), version: semverType },
    })
    const none = new LazyMap([], () => null)
    const known: Record<string, Value> = { fast: true, version: makeSemver('1.2.3') }
    const attributes = new LazyMap(['example.com'], () => new LazyMap(Object.keys(known), name => known[name]!), none)
    const capacity = new LazyMap(['memory'], () => makeQuantity('16Gi'))
    const holds = (rule: string) =>
      valueOf(programOf(rule, environment).evaluate({ attributes, capacity, version: makeSemver('2.0.0') }).value)
    assert.equal(holds('cel.bind(a, attributes["example.com"], a.fast && a.version.isLessThan(semver("2.0.0")))'), true)
    assert.equal(holds('capacity["memory"].isGreaterThan(quantity("8Gi")) && version.major() == 2'), true)
    assert.equal(holds('has(attributes["other.com"].fast)'), false)
    assert.equal(holds('attributes["other.com"].fast'), 'failed: no such key: fast')
    assert.equal(
      valueOf(makeQuantity('x')),
      `failed: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
    )
  })
})

suite('mutation', () => {
  const environment = mutation.extend({ variables: { object: types.dyn }, objects: mutationTypes() })
  const made = (text: string) =>
    programOf(text, environment).evaluate({ object: adaptUntyped({ spec: { replicas: 2 } }) }).value

  test('makes what is to be applied', () => {
    const value = made("Object{spec: Object.spec{replicas: object.spec.replicas + 1, a__dash__b: ['x']}}")
    assert.deepEqual(toJson(value), { spec: { replicas: 3, 'a-b': ['x'] } })
    assert.equal(misnamedObject(value), undefined)
  })

  test('makes operations of a patch', () => {
    const text = "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b~c'), value: {'x': 1}}]"
    assert.deepEqual(toJson(made(text)), [{ op: 'add', path: '/metadata/labels/a~1b~0c', value: { x: 1 } }])
    assert.equal(programOf(text, environment).type.params[0]!.name, 'JSONPatch')
  })

  test('refuses what a patch has not', () => {
    const field = errorOf("JSONPatch{oper: 'add'}", environment)
    assert.equal(field, "ERROR: <input>:1:15: undefined field 'oper'\n | JSONPatch{oper: 'add'}\n | ..............^")
    assert.match(
      errorOf('JSONPatch{op: 1}', environment),
      /expected type of field 'op' is 'string' but provided type is 'int'/,
    )
  })

  test('finds objects that are not where their name says', () => {
    const fault = misnamedObject(made('Object{spec: Object.status{x: 1}}'))
    assert.match(fault?.message ?? '', /unexpected type name "Object.status", expected "Object.spec"/)
  })

  test('leaves optional fields out', () => {
    assert.deepEqual(toJson(made('Object{?a: optional.none(), ?b: optional.of(1)}')), { b: 1 })
  })
})
