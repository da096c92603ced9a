// The short form in which the default roles are written: `rule('get list', 'apps', 'deployments')`.

export interface Rule {
  verbs: string[]
  apiGroups?: string[]
  resources?: string[]
  resourceNames?: string[]
  nonResourceURLs?: string[]
}

const words = (text: string) => text.split(' ').sort()

/** A rule about resources. Blanks separate verbs, groups, resources and names; `core` is the group without a name. */
export function rule(verbs: string, groups: string, resources: string, names?: string): Rule {
  return {
    verbs: words(verbs),
    apiGroups: groups
      .split(' ')
      .map(group => (group === 'core' ? '' : group))
      .sort(),
    resources: words(resources),
    ...(names && { resourceNames: names.split(' ') }),
  }
}

/** What every controller may do about events. */
export const eventsRule: Rule = rule('create patch update', 'core events.k8s.io', 'events')
