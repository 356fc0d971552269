/** What bench/http.ts holds a server against: reads a JSON body, and answers with as much as a job has. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const server = createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => {
    text += chunk
  })
  request.on('end', () => {
    const { params } = JSON.parse(text) as { params: unknown }
    response.writeHead(202, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ params, filler: 'x'.repeat(700) }))
  })
})
server.listen(0, '127.0.0.1', () => {
  console.log(`bare is running at http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
