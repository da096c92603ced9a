// Property tests. Their cases are the same in every run, so that a run that failed can be repeated and one that passed
// says something of the next; KUTTER_SEED gives others.
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env.KUTTER_SEED ?? 1) })

export { fc }
