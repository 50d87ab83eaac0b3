import type { Case } from '../case.js'
import { bodies } from './bodies.js'
import { chunks } from './chunks.js'
import { framing } from './framing.js'
import { heads } from './heads.js'
import { pipelines } from './pipelines.js'
import { targets } from './targets.js'
import { upgrades } from './upgrades.js'

export const cases: Case[] = [...framing, ...chunks, ...bodies, ...heads, ...targets, ...pipelines, ...upgrades]
