// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class IncomingSocketTest {

    private static final int BYTES = 10_000;
    private static final Duration LONG = Duration.ofSeconds(10);

    /** A sender that fails closes when TCP has delivered all; an acknowledgement on its way to it then is answered by a reset. */
    @Test
    void whatHasComeIsReadThoughTheSenderIsGone() throws Exception {
        try (ServerSocketChannel server =
                ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))) {
            SocketChannel sender = SocketChannel.open(server.getLocalAddress());
            try (IncomingSocket incoming = new IncomingSocket(server.accept(), null)) {
                assertThat(sender.write(ByteBuffer.allocate(BYTES))).isEqualTo(BYTES);
                sender.close();
                for (int acknowledgement = 0; acknowledgement < 3; acknowledgement++) {
                    incoming.write(ByteBuffer.allocate(64), LONG);
                }
                assertThat(incoming.brokenBecause()).isEmpty();
                ByteBuffer come = ByteBuffer.allocate(2 * BYTES);
                while (incoming.read(come, () -> LONG)) {
                    assertThat(come.position()).isLessThanOrEqualTo(BYTES);
                }
                assertThat(come.position()).isEqualTo(BYTES);
            }
        }
    }
}
