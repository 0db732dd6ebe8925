// A client that connects and then only listens. Prints a line for each message, and how the connection has ended.
const WebSocket = require("ws");

const socket = new WebSocket(process.argv[2]);
socket.on("message", (data) => console.log("message", data.toString()));
socket.on("error", (error) => console.log("closed", error.message));
socket.on("close", (code) => console.log("closed", code));
