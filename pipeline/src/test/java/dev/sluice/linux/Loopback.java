// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;

/** A connected socket of ours and its peer, which reads only when a test reads from it. */
public final class Loopback implements AutoCloseable {

    /** Of the peer: small, so that a peer that does not read soon holds up the sender. */
    private static final int RECEIVE_BUFFER_BYTES = 4096;

    /** For what must happen; nothing is expected to take any of it. */
    private static final int LONG_MILLIS = 60_000;

    private final TcpSocket socket;
    private final SocketChannel peer;

    private Loopback(TcpSocket socket, SocketChannel peer) {
        this.socket = socket;
        this.peer = peer;
    }

    public static Loopback connect() throws IOException {
        return connect(InetAddress.getLoopbackAddress());
    }

    public static Loopback connect(InetAddress address) throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open()) {
            server.setOption(StandardSocketOptions.SO_RCVBUF, RECEIVE_BUFFER_BYTES);
            server.bind(new InetSocketAddress(address, 0));
            TcpSocket socket = TcpSocket.open(address);
            socket.connect((InetSocketAddress) server.getLocalAddress());
            await(socket.fd(), Constants.POLLOUT);
            assertThat(socket.pendingError()).isZero();
            return new Loopback(socket, server.accept());
        }
    }

    /** Waits until the descriptor has one of the events (or an error), and returns what it has. */
    public static int await(int fd, int events) {
        int ready = Libc.poll(fd, events, LONG_MILLIS);
        assertThat(ready).as("events within %d ms", LONG_MILLIS).isPositive();
        return ready;
    }

    /** Whoever takes the socket over closes it before this is closed. */
    public TcpSocket socket() {
        return socket;
    }

    public SocketChannel peer() {
        return peer;
    }

    /** Bytes that the peer has received, as many as asked for. */
    public byte[] receive(int count) throws IOException {
        ByteBuffer received = ByteBuffer.allocate(count);
        while (received.hasRemaining()) {
            assertThat(peer.read(received))
                    .as("bytes before the end of the stream")
                    .isNotNegative();
        }
        return received.array();
    }

    /** Breaks the connection from the far end. */
    public void reset() throws IOException {
        peer.setOption(StandardSocketOptions.SO_LINGER, 0);
        peer.close();
    }

    @Override
    public void close() throws IOException {
        peer.close();
    }
}
