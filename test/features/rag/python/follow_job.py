"""Begins a job by the printed client, follows it to its end, exports it, and prints what it was told as JSON: `follow_job.py BASE_URL CONFIG`."""
import asyncio
import json
import pathlib
import sys

# Behind all others: where the real modules are installed, they are taken.
sys.path.append(str(pathlib.Path(__file__).parent / 'stand_ins'))

from contract_client import BulkProcessingClient  # noqa: E402


async def main(base_url, config):
    client = BulkProcessingClient(base_url, 'YOUR_API_KEY')
    messages = []
    accepted = await client.start_processing(config)
    await client.monitor_progress(config['job_id'], messages.append)
    exported = await client.export_results(config['job_id'], 'json')
    print(json.dumps({'accepted': accepted, 'messages': messages, 'exported': exported}))


asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
