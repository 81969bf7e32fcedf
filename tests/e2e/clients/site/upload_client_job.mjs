/**
 * One call of `@uploadcare/upload-client`, the same in Node and in a browser.
 *
 * `job`: `{settings, method, input, options}`. What is uploaded are the `files` that came with the job, or `input`.
 * The answer: `{result}` as the client returned it, or `{error: {name, message, code}}`; `progress`: the values that it reported.
 */
export async function perform({ UploadClient }, job, files) {
  const client = new UploadClient(job.settings)
  const input = job.input ?? (job.method === 'uploadFileGroup' ? files : files[0])
  const progress = []
  const onProgress = ({ isComputable, value }) => isComputable && progress.push(value)
  try {
    return { result: await client[job.method](input, { ...job.options, onProgress }), progress }
  } catch ({ name, message, code }) {
    return { error: { name, message, code }, progress }
  }
}
