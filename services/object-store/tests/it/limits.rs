//! Clients that misbehave: garbage, false lengths, slowness, too many of anything. They harm neither the node nor others.

use std::time::Duration;

use object_store::header::{HEADER_LEN, RequestKind};
use object_store::ymq::encode_hello;
use test_support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Client, DEADLINE, NOT_EXISTS, Node, SET, id, size};

/// True if the server ends the connection after it received these bytes.
async fn ends_after(node: &Node, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn garbage_ends_its_own_connection_and_harms_no_other() {
    let node = Node::memory(&[]).await;
    let mut good = Client::connect(node.port, "good").await;
    let start =
        [encode_hello(2, b"bad"), good.encode_request(RequestKind::Delete, &id(9), 0, None).0].concat();
    let frame = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
    let mut bomb = [0; HEADER_LEN];
    bomb[..4].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
    for bad in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"YMQ\x03".to_vec(),
        [b"YMQ\x02".as_slice(), &[0xff; 8]].concat(),
        [start.clone(), frame(b"a short header")].concat(),
        [start.clone(), frame(&bomb)].concat(),
        [start.clone(), frame(&[0xff; HEADER_LEN])].concat(),
        [start.clone(), vec![0xff; 64]].concat(),
    ] {
        assert!(ends_after(&node, &bad).await, "{bad:?}");
        assert_eq!(good.set(&id(1), b"fine").await, SET);
    }
    eventually("the bad connections have ended", async || {
        node.process.metric("object_store_connections").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_header_that_announces_2_to_the_60_bytes_costs_almost_nothing() {
    let node = Node::memory(&[]).await;
    let mut good = Client::connect(node.port, "good").await;
    good.set(&id(1), b"x").await;
    let before = node.resident();
    let mut clients = Vec::new();
    for (n, length) in [1 << 60, u64::MAX, 512 << 20, 1 << 30].into_iter().cycle().take(40).enumerate() {
        let mut client = Client::connect(node.port, &format!("client-{n}")).await;
        let (bytes, _) = client.encode_request(RequestKind::Set, &id(2), length, None);
        client
            .stream
            .write_all(&[bytes.as_slice(), &length.to_le_bytes(), &[7; 1000]].concat())
            .await
            .unwrap();
        clients.push(client);
    }
    assert_eq!(good.get(&id(1)).await, b"x");
    let grown = node.resident().saturating_sub(before);
    assert!(grown < 40 << 20, "{grown} bytes for 40 false lengths");
}

#[tokio::test]
async fn an_object_over_the_limit_is_skipped_and_refused() {
    let node = Node::memory(&[("OBJECT_STORE_MAX_OBJECT_SIZE_MB", "1")]).await;
    let mut client = Client::connect(node.port, "one").await;
    let (limit, over) = (vec![1; 1 << 20], vec![2; (1 << 20) + 1]);
    assert_eq!(client.set(&id(1), &limit).await, SET);
    // Pipelined with a request that is not refused.
    let (set, refused) = client.encode_request(RequestKind::Set, &id(1), over.len() as u64, Some(&over));
    let (get, got) = client.encode_request(RequestKind::Get, &id(1), 3, None);
    client.stream.write_all(&[set, get].concat()).await.unwrap();
    assert_eq!(client.receive_response_to(refused).await.kind, NOT_EXISTS);
    assert_eq!(client.receive_response_to(got).await.payload, [1; 3]);
    assert_eq!(client.totals().await[0], 1);
}

#[tokio::test]
async fn a_full_store_refuses_new_contents_and_keeps_its_objects() {
    let node = Node::memory(&[("OBJECT_STORE_MAX_MEMORY", "1MB")]).await;
    let mut client = Client::connect(node.port, "one").await;
    assert_eq!(client.set(&id(1), &vec![1; 800_000]).await, SET);
    assert_eq!(client.set(&id(2), &vec![2; 400_000]).await, NOT_EXISTS);
    assert_eq!(client.set(&id(3), &vec![1; 800_000]).await, SET, "a known content takes no memory");
    client.delete(&id(3)).await;
    assert_eq!(client.set(&id(1), &vec![4; 1_000_000]).await, SET, "the replaced content is freed");
    assert!(client.get(&id(1)).await == vec![4; 1_000_000]);
}

#[tokio::test]
async fn a_client_that_stalls_in_a_frame_is_disconnected_and_an_idle_one_only_by_setting() {
    let node = Node::memory(&[("OBJECT_STORE_STALL_TIMEOUT", "500ms")]).await;
    let mut idle = Client::connect(node.port, "idle").await;
    let header = Client::connect(node.port, "header").await;
    let mut slow =
        [header, Client::connect(node.port, "payload").await, Client::connect(node.port, "body").await];
    let (small, _) = slow[1].encode_request(RequestKind::Set, &id(1), 1000, Some(&[1; 1000]));
    let (large, _) = slow[2].encode_request(RequestKind::Set, &id(1), 200_000, Some(&[1; 200_000]));
    for (client, bytes) in slow.iter_mut().zip([&small[..20], &small[..500], &large[..100_000]]) {
        client.stream.write_all(bytes).await.unwrap();
    }
    let mut silent = TcpStream::connect(("127.0.0.1", node.port)).await.unwrap();
    for stream in slow.iter_mut().map(|client| &mut client.stream).chain([&mut silent]) {
        assert!(timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap().is_err(), "it is reset");
    }
    // Sending one byte at a time is not progress either.
    let mut loris = Client::connect(node.port, "loris").await;
    let (bytes, _) = loris.encode_request(RequestKind::Set, &id(1), 1000, Some(&[1; 1000]));
    let dripping = async {
        for byte in bytes.chunks(1) {
            if loris.stream.write_all(byte).await.is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    };
    assert!(timeout(DEADLINE, dripping).await.unwrap(), "it is disconnected");
    assert_eq!(idle.set(&id(1), b"x").await, SET, "a client that owes nothing stays connected");

    let node = Node::memory(&[("OBJECT_STORE_IDLE_TIMEOUT", "300ms")]).await;
    let mut idle = Client::connect(node.port, "idle").await;
    assert!(timeout(DEADLINE, idle.stream.read(&mut [0; 1])).await.unwrap().is_err());
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_no_memory_and_is_disconnected() {
    let node = Node::memory(&[("OBJECT_STORE_STALL_TIMEOUT", "1s")]).await;
    let mut client = Client::connect(node.port, "one").await;
    client.set(&id(1), &vec![1; 16 << 20]).await;
    let before = node.resident();
    for _ in 0..64 {
        client.send_get(&id(1)).await;
    }
    let mut most = 0;
    eventually("it is disconnected", async || node.process.metric("object_store_connections").await == 0.0)
        .await;
    most = most.max(node.resident());
    assert!(most < before + (20 << 20), "{before} bytes became {most}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused() {
    let node = Node::memory(&[("OBJECT_STORE_MAX_CONNECTIONS", "3")]).await;
    let mut clients = Vec::new();
    for n in 0..3 {
        clients.push(Client::connect(node.port, &format!("client-{n}")).await);
    }
    // The reset may come before `connect` has returned, or after.
    let refused = async { TcpStream::connect(("127.0.0.1", node.port)).await?.read(&mut [0; 1]).await };
    assert!(timeout(DEADLINE, refused).await.unwrap().is_err());
    clients.pop();
    eventually("a connection is accepted again", async || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", node.port)).await else { return false };
        stream.write_all(&encode_hello(2, b"again")).await.is_ok()
            && stream.read(&mut [0; 1]).await.is_ok_and(|read| read == 1)
    })
    .await;
    assert_eq!(clients[0].set(&id(1), b"x").await, SET);
}

#[tokio::test]
async fn a_client_with_too_many_waiting_requests_is_closed() {
    let node = Node::memory(&[("OBJECT_STORE_MAX_WAITING", "10")]).await;
    let mut client = Client::connect(node.port, "one").await;
    for n in 0..11 {
        client.send_get(&id(n)).await;
    }
    assert_eq!(timeout(DEADLINE, client.stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    assert_eq!(node.info("pending_request_count").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_of_connect_get_and_disconnect_leave_nothing() {
    let node = Node::memory(&[]).await;
    let mut good = Client::connect(node.port, "good").await;
    let cycle = async |n: u64| {
        let mut client = Client::connect(node.port, &format!("gone-{n}")).await;
        client.send_get(&id(n)).await;
    };
    for n in 0..200 {
        cycle(n).await;
    }
    let before = node.resident();
    for n in 0..size(2000, 10_000) as u64 {
        cycle(n).await;
    }
    eventually("no waiter is left", async || node.info("pending_request_count").await == 0).await;
    eventually("no connection is left", async || {
        node.process.metric("object_store_connections").await == 1.0
    })
    .await;
    let grown = node.resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes were left");
    assert_eq!(good.set(&id(1), b"fine").await, SET);
}

#[tokio::test]
async fn memory_is_returned_after_half_of_the_objects_is_deleted() {
    let node = Node::memory(&[]).await;
    let mut client = Client::connect(node.port, "one").await;
    let (count, length) = (1600_u64, 65_536_usize);
    for n in 0..count {
        let data: Vec<u8> = n.to_be_bytes().into_iter().cycle().take(length).collect();
        client.set(&id(n), &data).await;
    }
    let max_resident = |objects: u64| objects * length as u64 * 11 / 10 + (20 << 20);
    assert!(node.resident() <= max_resident(count), "{} bytes for {count} objects", node.resident());
    for n in (0..count).step_by(2) {
        client.delete(&id(n)).await;
    }
    let mut resident = 0;
    for _ in 0..300 {
        resident = node.resident();
        if resident <= max_resident(count / 2) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(resident <= max_resident(count / 2), "{resident} bytes for {} objects", count / 2);
    assert_eq!(client.get(&id(1)).await.len(), length);
}
