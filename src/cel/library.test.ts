// The functions of Kubernetes' libraries, by the examples of upstream's documentation and tests.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { toJson } from './to-json.ts'
import { compile, kubernetes } from './kubernetes.ts'
import { Failure } from './values.ts'

function valueOf(expression: string): unknown {
  const compiled = compile(expression, kubernetes)
  if (compiled.error !== undefined) return compiled.error.split('\n')[0]
  const { value } = compiled.program.evaluate({})
  return value instanceof Failure ? `failed: ${value.message}` : toJson(value)
}

/** Expressions that are true. */
const truths: Readonly<Record<string, readonly string[]>> = {
  lists: [
    '[1, 2, 3].isSorted()',
    "['a', 'b', 'b', 'c'].isSorted()",
    '![2.0, 1.0].isSorted()',
    '[1].isSorted() && [].isSorted()',
    '[].sum() == 0 && dyn([]).sum() == 0 && dyn([1.5, 2.0]).sum() == 3.5',
    '[1, 3].sum() == 4 && [1.0, 3.0].sum() == 4.0 && [1u, 3u].sum() == 4u',
    "[duration('1m'), duration('1s')].sum() == duration('1m1s')",
    '[1, 3].min() == 1 && [1, 3].max() == 3',
    "['b', 'a', 'c'].max() == 'c' && [b'b', b'a'].min() == b'a'",
    "[1, 2, 2, 3].indexOf(2) == 1 && ['a', 'b', 'b', 'c'].lastIndexOf('b') == 2",
    '[1.0].indexOf(1.1) == -1',
  ],
  'lists of lists': [
    '[1, 2, 3, 4].slice(1, 3) == [2, 3] && [1, 2, 3, 4].slice(4, 4) == [] && [1, 2].slice(0, 2) == [1, 2]',
    '[[1, 2], [3, 4]].flatten() == [1, 2, 3, 4] && [[1, 2], [], [3]].flatten() == [1, 2, 3]',
    'dyn([]).flatten() == [] && dyn([1, 2]).flatten() == [1, 2]',
    '[[[1], [2]], [[3]]].flatten() == [[1], [2], [3]] && [[[[1]], [[2]]]].flatten(2) == [[1], [2]]',
    '[5, 1, 2, 3].reverse() == [3, 2, 1, 5] && [].reverse() == []',
    "[-2, 5, -2, 1, 1, 5].distinct() == [-2, 5, 1] && ['c', 'a', 'a', 'c'].distinct() == ['c', 'a']",
    '[dyn(1), dyn(1.0), dyn(2), dyn("a")].distinct() == [dyn(1), dyn(2), dyn("a")] && [[1], [1], [2]].distinct() == [[1], [2]]',
    '[].sort() == [] && [4, 3, 2, 1].sort() == [1, 2, 3, 4] && dyn([2.0, 1.0]).sort() == [1.0, 2.0]',
    "['d', 'a', 'b'].sort() == ['a', 'b', 'd'] && [b'b', b'a'].sort() == [b'a', b'b'] && [true, false].sort() == [false, true]",
    "[duration('1m'), duration('1s')].sort() == [duration('1s'), duration('1m')]",
    '[].sortBy(e, e) == [] && [-3, 1, -5, -2, 4].sortBy(e, -(e * e)) == [-5, 4, -3, -2, 1]',
    '[-3, 1, -5].map(e, e * 2).sortBy(e, -(e * e)) == [-10, -6, 2] && lists.range(3).sortBy(e, -e) == [2, 1, 0]',
    "[{'f': 'lo'}, {'f': 'hi'}].sortBy(m, m.f) == [{'f': 'hi'}, {'f': 'lo'}]",
    "['a', 'c', 'b', 'x'].sortBy(e, e == 'x' ? '' : e) == ['x', 'a', 'b', 'c']",
    'lists.range(4) == [0, 1, 2, 3] && lists.range(0) == [] && lists.range(-1) == []',
  ],
  sets: [
    'sets.contains([1, 2, 3, 4], [2, 3])',
    '!sets.contains([1], [1, 2])',
    'sets.equivalent([1, 2, 2], [2, 1])',
    'sets.intersects([[1], [2]], [[2], [3]]) && !sets.intersects([1], [])',
  ],
  regex: [
    "'abc 123'.find('[0-9]+') == '123'",
    "'abc 123'.find('xyz') == ''",
    "'123 abc 456'.findAll('[0-9]+') == ['123', '456']",
    "'123 abc 456'.findAll('[0-9]+', 1) == ['123']",
    "'123 abc 456'.findAll('xyz') == [] && 'aaa'.findAll('a', 0) == []",
    "'😀a😀'.findAll('😀') == ['😀', '😀']",
    "'abc'.matches('b') && !'abc'.matches('^b') && 'aXb'.matches('(?i)x')",
  ],
  urls: [
    "url('https://user:pass@example.com:80/path?query=val#fragment').getHost() == 'example.com:80'",
    "url('/path').getScheme() == '' && url('https://example.com/').getScheme() == 'https'",
    "url('https://[::1]:80/').getHost() == '[::1]:80' && url('https://[::1]:80/').getHostname() == '::1'",
    "url('https://example.com:80/').getHostname() == 'example.com' && url('/path').getHostname() == ''",
    "url('https://example.com:80/').getPort() == '80' && url('https://[::1]/').getPort() == ''",
    "url('https://example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'",
    "url('https://example.com').getEscapedPath() == ''",
    "url('https://example.com/path?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
    "url('https://example.com/path?key with spaces=value with spaces').getQuery() == {'key with spaces': ['value with spaces']}",
    "url('https://example.com/path?').getQuery() == {}",
    "isURL('/absolute-path') && !isURL('../relative-path') && !isURL('https://a:b:c/') && !isURL('')",
    "url('https://a/b') == url('https://a/b') && url('https://a/b') != url('https://a/c')",
  ],
  quantities: [
    "isQuantity('1.3Gi') && isQuantity('10000k') && !isQuantity('1,3G') && !isQuantity('200K') && !isQuantity('Mi')",
    "quantity('50000000G').isInteger() && quantity('50k').asInteger() == 50000",
    "!quantity('9999999999999999999999999999999999999G').isInteger()",
    "quantity('50k').sub(20000).asApproximateFloat() == 30000.0",
    "quantity('50k').add(quantity('20k')) == quantity('70k') && quantity('50k').add(20) == quantity('50020')",
    "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('50M').compareTo(quantity('50Mi')) == -1",
    "quantity('150Mi').isGreaterThan(quantity('100Mi')) && quantity('50M').isLessThan(quantity('100M'))",
    "quantity('-1').sign() == -1 && quantity('0').sign() == 0",
  ],
  addresses: [
    "isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP(':::1') && !isIP('01.2.3.4')",
    "!isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')",
    "ip.isCanonical('127.0.0.1') && !ip.isCanonical('2001:DB8::ABCD') && !ip.isCanonical('2001:db8::0:0:0:abcd')",
    "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6",
    "ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified() && !ip('::1').isUnspecified()",
    "ip('127.9.0.1').isLoopback() && ip('::1').isLoopback() && !ip('192.168.0.1').isLoopback()",
    "ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast()",
    "ip('169.254.169.254').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast() && !ip('fd80::1').isLinkLocalUnicast()",
    "ip('192.168.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && !ip('ff00::1').isGlobalUnicast()",
    "string(ip('2001:DB8::0:1')) == '2001:db8::1' && ip('::1') == ip('0:0:0:0:0:0:0:1') && type(ip('::1')) == net.IP",
  ],
  ranges: [
    "isCIDR('192.168.0.0/16') && !isCIDR('192.168.0.0/33') && !isCIDR('::1/129') && !isCIDR('::ffff:1.2.3.4/24')",
    "cidr('192.168.0.0/24').containsIP(ip('192.168.0.1')) && !cidr('192.168.0.0/24').containsIP('192.168.1.1')",
    "cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24')) && !cidr('192.168.1.0/24').containsCIDR('192.168.2.0/24')",
    "!cidr('192.168.0.0/16').containsIP('::1') && !cidr('10.0.0.0/16').containsCIDR('10.0.0.0/8')",
    "cidr('192.168.0.1/24').ip() == ip('192.168.0.1') && cidr('::1/128').prefixLength() == 128",
    "cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24') && cidr('192.168.0.1/24') != cidr('192.168.0.0/24')",
    "string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
  ],
  formats: [
    "!format.dns1123Label().validate('my-label-name').hasValue()",
    "format.named('dns1123Label').value() == format.dns1123Label() && !format.named('nothing').hasValue()",
    "!format.dns1123LabelPrefix().validate('my-label-prefix-').hasValue() && format.dns1123Label().validate('x-').hasValue()",
    "!format.dns1123Subdomain().validate('apiextensions.k8s.io').hasValue() && !format.qualifiedName().validate('a.b/c').hasValue()",
    "format.dns1035Label().validate('1a').hasValue() && !format.labelValue().validate('').hasValue()",
    "format.uuid().validate('123e4567-e89b-12d3-a456-426614174000') == optional.none()",
    "format.byte().validate('aGVsbG8=') == optional.none() && format.byte().validate('x').value() == ['invalid base64']",
    "format.date().validate('2021-01-01') == optional.none() && format.date().validate('2021-02-30').hasValue()",
    "format.datetime().validate('2021-01-01T00:00:00Z') == optional.none() && format.datetime().validate('2021-01-01T25:00:00Z').hasValue()",
    "format.uri().validate('http://example.com') == optional.none() && format.uri().validate('../x').value() == ['parse \"../x\": invalid URI for request']",
  ],
  versions: [
    "isSemver('1.0.0') && !isSemver('hello') && !isSemver('v1.0') && isSemver('v1.0', true) && !isSemver('01.1.1')",
    "semver('0.1.0-alpha.1').major() == 0 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3",
    "semver('01.01.01', true) == semver('1.1.1') && semver('v1.2', true) == semver('1.2.0')",
    "semver('1.2.3').compareTo(semver('1.2.3')) == 0 && semver('1.2.3').isLessThan(semver('2.0.0'))",
    "semver('1.0.0-alpha').isLessThan(semver('1.0.0')) && semver('1.0.0-alpha.2').isLessThan(semver('1.0.0-alpha.10'))",
    "semver('1.0.0-1').isLessThan(semver('1.0.0-a')) && semver('1.0.0+x') == semver('1.0.0+y')",
  ],
  times: [
    "duration('1h2m3s4ms').getMilliseconds() == 3723004 && duration('-1500ms').getSeconds() == -1",
    "timestamp('2011-08-18T19:03:37.010+01:00').getMilliseconds() == 10",
    "string(timestamp('2011-08-18T19:03:37.010+01:00')) == '2011-08-18T19:03:37.01+01:00'",
    "timestamp('2011-08-18T19:03:37+01:00') == timestamp('2011-08-18T18:03:37Z')",
    "timestamp('2011-08-18T19:03:37+01:00').getHours() == 18",
    "string(timestamp('2011-08-18T19:03:37-03:30') + duration('1h')) == '2011-08-18T20:03:37-03:30'",
    "string(timestamp('2011-08-18T19:03:37-00:00')) == '2011-08-18T19:03:37Z'",
  ],
  strings: [
    "'hello mellow'.indexOf('jello') == -1 && 'ta©o😄'.indexOf('😄') == 4",
    "'gum'.charAt(3) == '' && '😄a'.charAt(1) == 'a'",
    "'%s has %d'.format([dyn('x'), 3]) == 'x has 3' && '%.2f'.format([1.005]) == '1.00' && '%f'.format([1234.5]) == '1,234.500000'",
    "'%e'.format([1052.03]) == '1.052030\\u202f×\\u202f10⁰³' && '%s'.format([[dyn(1.5), 'a', null]]) == '[1.500000, \"a\", null]'",
    "'%x %X %o %b'.format([255, 255, 8, 5]) == 'ff FF 10 101' && '%%'.format([]) == '%'",
    "'%s'.format([['\\a']]) == '[\"\\\\a\"]' && ['%s'].map(f, f.format([1, 2])) == ['1']",
    'strings.quote(\'a"b\\n\') == \'"a\\\\"b\\\\n"\'',
    "'hello'.replace('', '_') == '_h_e_l_l_o_' && 'aaa'.replace('a', 'b', 2) == 'bba'",
    "'\\u00a0 trim\\n'.trim() == 'trim' && ['a', 'b'].join('-') == 'a-b'",
  ],
  comprehensions: [
    '[1, 2, 3].all(i, v, v == i + 1) && {"a": 1}.exists(k, v, k == "a" && v == 1)',
    '[1, 2, 3].transformList(i, v, i % 2 == 0, v * 10) == [10, 30]',
    '{"a": 1, "b": 2}.transformMap(k, v, v + 1) == {"a": 2, "b": 3}',
    '["a", "b"].transformMapEntry(i, v, {v: i}) == {"a": 0, "b": 1}',
    '[1, 2].existsOne(i, v, v == 2) && {"a": 1}.exists_one(k, v, v == 1)',
  ],
}

for (const [name, expressions] of Object.entries(truths))
  suite(name, () => {
    for (const expression of expressions) test(expression, () => assert.equal(valueOf(expression), true))
  })

/** Failures and their messages. */
const failures: Readonly<Record<string, string>> = {
  '[1, 2].slice(2, 0)': 'cannot slice(2, 0), start index must be less than or equal to end index',
  '[1, 2].slice(0, 10)': 'cannot slice(0, 10), list is length 2',
  '[1, 2].slice(-5, 10)': 'cannot slice(-5, 10), negative indexes not supported',
  '[[1]].flatten(-1)': 'level must be non-negative',
  'dyn({}).flatten()': 'no such overload: map.flatten()',
  "[].flatten(dyn('1'))": 'no such overload: list.flatten(string)',
  "[dyn('d'), dyn(3)].sort()": 'list elements must have the same type',
  '[dyn([1])].sort()': 'list elements must be comparable',
  '[].min()': 'min called on empty list',
  "['('].map(p, 'a'.find(p))": 'Illegal regex: error parsing regexp: missing closing ): `(`',
  "url('../relative-path')":
    'URL parse error during conversion from string: parse "../relative-path": invalid URI for request',
  "url('https://a:b:c/')":
    'URL parse error during conversion from string: parse "https://a:b:c/": invalid port ":c" after host',
  "quantity('Three')": "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  "quantity('200K')": "unable to parse quantity's suffix",
  "quantity('0.5').asInteger()": 'cannot convert value to integer',
  "ip('127.0.0.256')":
    'IP Address "127.0.0.256" parse error during conversion from string: ParseAddr("127.0.0.256"): IPv4 field has value >255',
  ...Object.fromEntries(
    Object.entries({
      x: 'unable to parse IP',
      '%eth0': 'missing IPv6 address',
      '1.2.3': 'IPv4 address too short',
      '1.2.3.4.5': 'IPv4 address too long',
      '1..3.4': 'IPv4 field must have at least one digit (at ".3.4")',
      '1.2.3.04': 'IPv4 field has octet with leading zero',
      '1.2.x.4': 'unexpected character (at "x.4")',
      'fe80::1%': 'zone must be a non-empty string',
      '2001:db8:::68': 'each colon-separated field must have at least one digit (at ":68")',
      '1::2::3': 'multiple :: in address (at ":3")',
      '1:2:': 'colon must be followed by more characters (at ":")',
      '1:2:3': 'address string too short',
      '1:2:3:4:5:6:7:8:9': 'trailing garbage after address (at "9")',
      '1:2:3:4::5:6:7:8': 'the :: must expand to at least one field of zeros',
      '12345::': 'each group must have 4 or fewer digits (at "12345::")',
      '1:g': 'each colon-separated field must have at least one digit (at "g")',
      '1:2g': 'unexpected character, want colon (at "g")',
      '1:1.2.3.4': 'embedded IPv4 address must replace the final 2 fields of the address (at "1.2.3.4")',
      '::1.2.3': 'IPv4 address too short',
    }).map(([text, fault]) => [
      `ip('${text}')`,
      `IP Address "${text}" parse error during conversion from string: ParseAddr("${text}"): ${fault}`,
    ]),
  ),
  "cidr('fe80::1%eth0/64')":
    'network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("fe80::1%eth0/64"): IPv6 zones cannot be present in a prefix',
  "ip('::ffff:1.2.3.4')": 'IPv4-mapped IPv6 address "::ffff:1.2.3.4" is not allowed',
  "ip('fe80::1%eth0')": 'IP address "fe80::1%eth0" with zone value is not allowed',
  "cidr('10.0.0.0')":
    'network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("10.0.0.0"): no \'/\'',
  "semver('1.0', false)": 'No Major.Minor.Patch elements found',
  "semver('1.0-rc', true)": 'short version cannot contain PreRelease/Build meta data',
  "'%s'.format([dyn(ip('::1'))])":
    'error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given net.IP',
  "'%s'.format([[dyn(ip('::1'))]])": 'error during formatting: no formatting function for net.IP',
  "['%s %s'].map(f, f.format([1]))": 'index 1 out of range',
  "['%'].map(f, f.format([1]))": 'unexpected end of string',
  '[1, 1].transformMapEntry(i, v, {v: i})': 'insert failed: key 1 already exists',
  '[0u, 0u].transformMapEntry(i, v, {v: i})': 'insert failed: key 0 already exists',
  'dyn(1).exists(x, x > 0)': "got 'types.Int', expected iterable type",
  'dyn(null).all(x, true)': "got 'types.Null', expected iterable type",
  "dyn(duration('1s')).map(x, x)": "got 'types.Duration', expected iterable type",
  'dyn(optional.of(1)).all(x, true)': "got '*types.Optional', expected iterable type",
  "dyn(ip('::1')).all(x, true)": "got 'cel.IP', expected iterable type",
  'optional.none().value()': 'optional.none() dereference',
  '1 / 0': 'division by zero',
  '1 % 0': 'modulus by zero',
  '9223372036854775807 + 1': 'integer overflow',
  '0u - 1u': 'unsigned integer overflow',
  '{"a": 1}["b"]': 'no such key: b',
  '[1][1]': 'index out of bounds: 1',
  "dyn('a') + dyn(1)": 'no such overload',
  "dyn(1).startsWith('a')": 'no such overload: startsWith(int, string)',
  "{'a': dyn(null)}['a'].size()": 'no such overload: size(null_type)',
  "dyn('x').family()": 'no such overload: family(string)',
  "int('x')": "type conversion error from 'string' to 'int'",
  "'%d'.format([dyn('a')])": 'error during formatting: decimal clause can only be used on integers, was given string',
}

suite('failures', () => {
  for (const [expression, message] of Object.entries(failures))
    test(expression, () => assert.equal(valueOf(expression), `failed: ${message}`))
})
