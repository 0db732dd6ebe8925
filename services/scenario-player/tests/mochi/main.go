// A second broker of MQTT 5: mochi-mqtt. It serves on a port, with the Maximum QoS and the Receive Maximum that it is given.
// Nobody may publish to customer/enter or subscribe to secret/#, and for the first messages of customer/exit its quota is
// exceeded. Each message that it takes is a line of its output: topic, QoS, payload.
package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

const deferredMessages = 3

type rules struct {
	mqtt.HookBase
	exits int
}

func (r *rules) ID() string { return "rules" }

func (r *rules) Provides(b byte) bool {
	return bytes.Contains([]byte{mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPublish}, []byte{b})
}

func (r *rules) OnConnectAuthenticate(_ *mqtt.Client, _ packets.Packet) bool { return true }

func (r *rules) OnACLCheck(_ *mqtt.Client, topic string, write bool) bool {
	if write {
		return topic != "customer/enter"
	}
	return topic != "secret/#"
}

func (r *rules) OnPublish(_ *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	if packet.TopicName == "customer/exit" {
		r.exits++
		if r.exits <= deferredMessages {
			return packet, packets.ErrQuotaExceeded
		}
	}
	fmt.Println(packet.TopicName, packet.FixedHeader.Qos, string(packet.Payload))
	return packet, nil
}

func number(argument string) uint16 {
	value, err := strconv.ParseUint(argument, 10, 16)
	check(err)
	return uint16(value)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumQos = byte(number(os.Args[2]))
	capabilities.ReceiveMaximum = number(os.Args[3])
	server := mqtt.New(&mqtt.Options{
		Capabilities: capabilities,
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	check(server.AddHook(&rules{}, nil))
	address := "127.0.0.1:" + os.Args[1]
	check(server.AddListener(listeners.NewTCP(listeners.Config{ID: "tcp", Address: address})))
	check(server.Serve())
	select {}
}
