// `kutter check`: reports what keeps this machine from running a cluster. It starts and installs nothing.
import { machineProblem, missingPackages, diskProblem, hostAddresses } from './machine.ts'
import { defaultDataDir } from './config.ts'
import { wireguardProblem } from '../network/index.ts'
import { obstaclesOf, readFirewall, settingsToBeMade } from './firewall.ts'

export async function check(out: (text: string) => void): Promise<number> {
  const problems: string[] = []
  const machine = machineProblem()
  if (machine) problems.push(machine)
  const missing = missingPackages()
  if (missing.length) problems.push(`missing Debian packages: ${missing.join(', ')} (kutter up installs them)`)
  const disk = await diskProblem(defaultDataDir)
  if (disk) problems.push(disk)
  if (!hostAddresses(4).length && !hostAddresses(6).length)
    problems.push('this machine has only loopback addresses; pods could not reach the API server')
  const facts = await readFirewall()
  const obstacles = obstaclesOf(facts)
  for (const problem of problems) out(`  ! ${problem}\n`)
  for (const { what, mend } of obstacles) out(`  ! ${what}; mend it with:\n      ${mend}\n`)
  const settings = settingsToBeMade(facts)
  if (settings.length) out(`  - kutter up will set ${settings.join(' and ')} to 1\n`)
  const unencrypted = await wireguardProblem()
  if (unencrypted) out(`  - kutter up --encrypt is not possible: ${unencrypted}\n`)
  if (!problems.length && !obstacles.length) out('This machine can run a cluster.\n')
  return problems.length || obstacles.length ? 1 : 0
}
