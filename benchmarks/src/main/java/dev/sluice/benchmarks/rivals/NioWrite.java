// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** {@link SocketChannel#write} of a direct buffer. */
final class NioWrite extends SendingThread {

    NioWrite(Ring ring, int port) throws IOException {
        super(ring, port);
        begin();
    }

    @Override
    void send(SocketChannel socket, Ring ring, int buffer) throws IOException {
        ByteBuffer frame = ring.buffer(buffer);
        frame.clear();
        while (frame.hasRemaining()) {
            socket.write(frame);
        }
    }
}
