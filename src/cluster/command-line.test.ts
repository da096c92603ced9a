// The help of the commands shows every option, each under the commands that take it.
import { deepStrictEqual, match, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { commands, helpText, options } from './command-line.ts'

test('every option belongs to a command, and its help shows it', () => {
  const shown = new Set(['help', ...Object.values(commands).flatMap(command => command.options)])
  deepStrictEqual([...shown].sort(), Object.keys(options).sort())
  for (const [name, command] of Object.entries(commands))
    for (const option of command.options) match(helpText(name), new RegExp(`^  --?${option}\\b`, 'm'))
})

test('help without a command lists all commands', () => {
  for (const name of Object.keys(commands)) ok(helpText(undefined).includes(`kutter ${name}`), name)
})
