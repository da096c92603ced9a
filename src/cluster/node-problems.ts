// The state of a node put together from those of its parts: it is ready when all of them are, and has the problems of all.

interface PartState {
  ready: boolean
  problem?: string
}

/** Returns a function that gives each part one by which to report its state. A part that reports nothing is ready. */
export function problemsOf(report: (state: PartState) => void): (part: string) => (state: PartState) => void {
  const states = new Map<string, PartState>()
  let last = ''
  return part => state => {
    states.set(part, state)
    const all = [...states.values()]
    const problem = all.flatMap(one => one.problem ?? []).join('; ')
    const whole = { ready: all.every(({ ready }) => ready), ...(problem && { problem }) }
    const text = JSON.stringify(whole)
    if (text !== last) report(whole)
    last = text
  }
}
