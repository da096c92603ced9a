// As whom HAProxy runs once it has its ports.
import { textOf } from '../../base/files.ts'

/** The user and group of Debian's package, or those that every machine has. */
export async function unprivileged(): Promise<{ user: string; group: string }> {
  const [users, groups] = await Promise.all([textOf('/etc/passwd'), textOf('/etc/group')])
  return {
    user: /^haproxy:/m.test(users) ? 'haproxy' : 'nobody',
    group: /^haproxy:/m.test(groups) ? 'haproxy' : 'nogroup',
  }
}
