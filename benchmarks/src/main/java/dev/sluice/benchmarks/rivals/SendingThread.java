// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import dev.sluice.metrics.Counter;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.CompletableFuture;

/** A blocking socket, and a thread that sends one frame after the other over it. */
abstract class SendingThread implements SendLoop {

    private final Ring ring;
    private final SocketChannel socket;
    private final Counter sent = new Counter();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private volatile boolean finishing;

    SendingThread(Ring ring, int port) throws IOException {
        this.ring = ring;
        socket = SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    }

    /** Sends a whole frame. */
    abstract void send(SocketChannel socket, Ring ring, int buffer) throws IOException;

    final void begin() {
        Thread.ofPlatform().name("sender").daemon().start(() -> {
            try {
                run();
                ended.complete(null);
            } catch (IOException | RuntimeException e) {
                ended.completeExceptionally(e);
            }
        });
    }

    private void run() throws IOException {
        for (int buffer = 0; !finishing; buffer = (buffer + 1) % ring.count()) {
            send(socket, ring, buffer);
            sent.add(ring.frameBytes());
        }
        socket.shutdownOutput();
        if (socket.read(ByteBuffer.allocate(1)) >= 0) {
            throw new IOException("the receiver said something");
        }
        socket.close();
    }

    @Override
    public final long sentBytes() {
        return sent.value();
    }

    @Override
    public final long finish() {
        finishing = true;
        ended.join();
        return sent.value();
    }
}
