"""The Python client that the contract prints, as it is printed, but for the address that it has in its code and for the `import time` that it lacks."""
import json
import time

import aiohttp
import websockets


class BulkProcessingClient:
    def __init__(self, base_url: str, api_key: str):
        self.base_url = base_url
        self.api_key = api_key
        self.headers = {
            'Authorization': f'Bearer {api_key}',
            'Content-Type': 'application/json'
        }

    async def start_processing(self, config: dict) -> dict:
        async with aiohttp.ClientSession() as session:
            async with session.post(
                f'{self.base_url}/api/public/bulk/process',
                headers=self.headers,
                json=config
            ) as response:
                return await response.json()

    async def monitor_progress(self, job_id: str, on_update=None):
        uri = f"{self.base_url.replace('http', 'ws', 1)}/api/public/bulk/ws/bulk-processing/{job_id}"

        async with websockets.connect(uri) as websocket:
            async for message in websocket:
                data = json.loads(message)
                if on_update:
                    on_update(data)

                if data.get('type') in ['completed', 'error']:
                    break

    async def export_results(self, job_id: str, format: str) -> dict:
        export_config = {
            'job_id': job_id,
            'format': format,
            'export_id': f'export-{int(time.time())}'
        }

        async with aiohttp.ClientSession() as session:
            async with session.post(
                f'{self.base_url}/api/public/bulk/export',
                headers=self.headers,
                json=export_config
            ) as response:
                return await response.json()
