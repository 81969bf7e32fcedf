/** Reads a job with `paths` of files from standard input, performs it, prints the answer. */

import dns from 'node:dns'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import * as uploadcare from '@uploadcare/upload-client'
import { perform } from './site/upload_client_job.mjs'

// Nothing may leave this machine: an upload from a URL also asks Pusher, whose address cannot be set.
dns.lookup = (hostname, options, callback) => {
  const refused = Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' })
  process.nextTick(callback ?? options, refused)
}

const job = JSON.parse(await text(process.stdin))
const files = await Promise.all(job.paths.map((path) => readFile(path)))
process.stdout.write(JSON.stringify(await perform(uploadcare, job, files)), () => process.exit())
