// The other side of ./bench realtime: the same broadcast on the reference server. Usage: node server.mjs PORT
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, { serveClient: false, perMessageDeflate: false, cors: { origin: '*' } });
io.on('connection', (socket) => {
  socket.on('broadcast', (...values) => io.emit('news', ...values));
});
http.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(`listening on ${http.address().port}`));
