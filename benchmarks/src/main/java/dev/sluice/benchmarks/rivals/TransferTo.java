// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.rivals;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;

/**
 * {@link FileChannel#transferTo}, which is sendfile: by reference on loopback, too, and never told when the kernel has let
 * go. It is safe here because nobody writes to the ring.
 */
final class TransferTo extends SendingThread {

    TransferTo(Ring ring, int port) throws IOException {
        super(ring, port);
        begin();
    }

    @Override
    void send(SocketChannel socket, Ring ring, int buffer) throws IOException {
        long at = (long) buffer * ring.frameBytes();
        for (long end = at + ring.frameBytes(); at < end; ) {
            at += ring.file().transferTo(at, end - at, socket);
        }
    }
}
