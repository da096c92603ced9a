// Impersonation: with headers such as `Impersonate-User`, a user with the right to it acts as another one. Name, uid,
// every group and every extra field need a right of their own.
// Source: apiserver pkg/endpoints/filters/impersonation.go.
import { goQuote } from '../../base/go-text.ts'
import { StatusError } from '../../base/errors.ts'
import type { User } from '../../api/operation.ts'
import type { AccessRequest } from '../authz/authorizer.ts'
import type { ServerCore } from '../core.ts'

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Whom the headers of a request name. */
interface Named {
  readonly name: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, string[]>>
}

/**
 * The user that the headers name, as with `kubectl --as`, or the real one if they name none. Throws Forbidden unless the
 * real user may impersonate it.
 */
export function impersonated(core: ServerCore, user: User, headers: Headers): User | Promise<User> {
  const name = headers['impersonate-user'] as string | undefined
  const groups = [headers['impersonate-group'] ?? []].flat().flatMap(g => g.split(',').map(s => s.trim()))
  const uid = String(headers['impersonate-uid'] ?? '')
  const extra = extraIn(headers)
  if (name) return actAs(core, user, { name, uid, groups, extra })
  if (groups.length || uid || Object.keys(extra).length)
    throw new StatusError(
      'BadRequest',
      `requested &user.DefaultInfo{Name:"", UID:${goQuote(uid)}, Groups:${goList(groups)}, Extra:${goLists(extra)}} without impersonating a user name`,
    )
  return user
}

async function actAs(core: ServerCore, user: User, named: Named): Promise<User> {
  const { name, uid, groups, extra } = named
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name)
  for (const target of targetsOf(named, account)) {
    const asked: AccessRequest = { user, verb: 'impersonate', version: '', ...target }
    if (!(await core.authorizer.authorize(asked)).allowed) throw refused(asked)
  }
  const defaults = account ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : []
  const all = [
    ...(groups.length ? groups : defaults),
    ...(name === 'system:anonymous' ? ['system:unauthenticated'] : ['system:authenticated']),
  ]
  return {
    name,
    ...(uid && { uid }),
    groups: [...new Set(all)],
    ...(Object.keys(extra).length && { extra }),
  }
}

type Target = Pick<AccessRequest, 'group' | 'resource' | 'subresource' | 'namespace' | 'name'>

/** What the real user must be allowed to impersonate. */
function targetsOf({ name, uid, groups, extra }: Named, account: RegExpExecArray | null): Target[] {
  const core = { group: '', subresource: '', namespace: '' }
  const other = { ...core, group: 'authentication.k8s.io' }
  return [
    account
      ? { ...core, resource: 'serviceaccounts', namespace: account[1]!, name: account[2]! }
      : { ...core, resource: 'users', name },
    ...groups.map(group => ({ ...core, resource: 'groups', name: group })),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map(value => ({ ...other, resource: 'userextras', subresource: key, name: value })),
    ),
    ...(uid ? [{ ...other, resource: 'uids', name: uid }] : []),
  ]
}

function refused({ user, group, resource, subresource, namespace, name }: AccessRequest): StatusError {
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope'
  const whole = group ? `${resource}.${group}` : resource
  const part = subresource ? `${resource}/${subresource}` : resource
  return new StatusError(
    'Forbidden',
    `${whole} ${JSON.stringify(name)} is forbidden: User ${JSON.stringify(user.name)} cannot impersonate resource ${JSON.stringify(part)} in API group ${JSON.stringify(group)} ${where}`,
  )
}

function extraIn(headers: Headers): Record<string, string[]> {
  const extra: Record<string, string[]> = {}
  for (const key in headers)
    if (key.startsWith('impersonate-extra-')) extra[decoded(key.slice(18))] = [headers[key] ?? []].flat()
  return extra
}

/** The name of an extra field, as it is where it is not well encoded. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

/** A list and a map of lists in the form of Go. */
const goList = (list: readonly string[]) =>
  list.length ? `[]string{${list.map(goQuote).join(', ')}}` : '[]string(nil)'
const goLists = (map: Record<string, string[]>) =>
  Object.keys(map).length
    ? `map[string][]string{${Object.entries(map)
        .map(([key, list]) => `${goQuote(key)}:${goList(list)}`)
        .join(', ')}}`
    : 'map[string][]string(nil)'
