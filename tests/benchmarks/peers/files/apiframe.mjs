import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const URL = process.env.APIFRAME_URL;
const HEADERS = { 'X-API-Key': process.env.APIFRAME_API_KEY, 'Content-Type': 'application/json' };
const PARAMS = { duration: 5, mode: 'standard', aspect_ratio: '16:9', generate_audio: false, negative_prompt: 'blur' };

async function ask(path, options = {}) {
  const response = await fetch(URL + path, { headers: HEADERS, ...options });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

export default class Apiframe {
  id = () => 'apiframe';

  callApi = async (prompt, context) => {
    const clip = `clips/${context.vars.city}-${context.vars.light}.mp4`;
    if (existsSync(clip)) return { output: clip, cached: true };
    const body = JSON.stringify({ model: 'kling-3.0', prompt, klingParams: PARAMS });
    const { jobId } = await ask('/v2/videos/generate', { method: 'POST', body });
    let job;
    do {
      await sleep(250);
      job = await ask(`/v2/jobs/${jobId}`);
    } while (job.status === 'QUEUED' || job.status === 'PROCESSING');
    if (job.status !== 'COMPLETED') return { error: job.error };
    const file = await fetch(job.result.videoUrl);
    if (!file.ok) return { error: `download: ${file.status}` };
    await writeFile(clip, Buffer.from(await file.arrayBuffer()));
    return { output: clip };
  };
}
