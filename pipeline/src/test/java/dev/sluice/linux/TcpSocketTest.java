// SPDX-License-Identifier: Apache-2.0
package dev.sluice.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.nio.ByteBuffer;
import java.util.BitSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class TcpSocketTest {

    private static final int CHUNK_BYTES = 64 * 1024;

    private final Arena arena = Arena.ofAuto();
    private final MemorySegment chunk = arena.allocate(CHUNK_BYTES, 4096).fill((byte) 7);
    private final MemorySegment iovec = Iovec.allocateArray(arena, 1);

    TcpSocketTest() {
        Iovec.set(iovec, 0, chunk.address(), CHUNK_BYTES);
    }

    private static InetAddress local(String address) throws IOException {
        InetAddress local = InetAddress.getByName(address);
        assumeTrue(NetworkInterface.getByInetAddress(local) != null, address + " is not an address of this machine");
        return local;
    }

    private long send(TcpSocket socket, int flags) {
        return socket.send(iovec.address(), 1, flags);
    }

    /** Sends by reference until the socket takes no more, and returns how many sends it took. */
    private int fill(TcpSocket socket) {
        int sends = 0;
        while (send(socket, Constants.MSG_ZEROCOPY) > 0) {
            sends++;
        }
        return sends;
    }

    /** Waits until the sends 0 to {@code count - 1} are notified, each once. */
    private static void awaitNotified(TcpSocket socket, int count) throws IOException {
        BitSet notified = new BitSet();
        while (notified.cardinality() < count) {
            while (!socket.receiveNotification()) {
                Loopback.await(socket.fd(), 0);
            }
            for (int id = socket.notificationFirst(); id <= socket.notificationLast(); id++) {
                assertThat(notified.get(id))
                        .as("notification of send %d came before", id)
                        .isFalse();
                notified.set(id);
            }
        }
        assertThat(notified.length()).isEqualTo(count);
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void bothEndsAgreeOnTheAddress(String address) throws Exception {
        try (Loopback loopback = Loopback.connect(local(address));
                TcpSocket socket = loopback.socket()) {
            assertThat(socket.localAddress()).isEqualTo(loopback.peer().getRemoteAddress());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void aRefusedConnectionIsAPendingErrorOnce(String address) throws Exception {
        try (TcpSocket bound = TcpSocket.open(local(address));
                TcpSocket socket = TcpSocket.open(local(address))) {
            // Bound but not listening: nobody else can take the port and accept.
            bound.bind(new InetSocketAddress(address, 0));
            assertThat(socket.connect(bound.localAddress())).isFalse();
            Loopback.await(socket.fd(), Constants.POLLOUT);
            assertThat(socket.pendingError()).isEqualTo(Constants.ECONNREFUSED);
            assertThat(socket.pendingError()).isZero();
        }
    }

    @Test
    void acceptsAConnectionOnceThereIsOne() throws Exception {
        InetAddress address = local("127.0.0.1");
        try (TcpSocket server = TcpSocket.open(address);
                TcpSocket client = TcpSocket.open(address)) {
            server.bind(new InetSocketAddress(address, 0));
            server.listen(1);
            assertThat(server.accept()).isNull();
            client.connect(server.localAddress());
            Loopback.await(server.fd(), Constants.POLLIN);
            try (TcpSocket accepted = server.accept()) {
                assertThat(accepted).isNotNull();
                assertThat(accepted.localAddress()).isEqualTo(server.localAddress());
            }
        }
    }

    @Test
    void aPortInUseIsNamedInTheMessage() throws Exception {
        InetAddress address = local("127.0.0.1");
        try (TcpSocket first = TcpSocket.open(address);
                TcpSocket second = TcpSocket.open(address)) {
            first.bind(new InetSocketAddress(address, 0));
            InetSocketAddress taken = first.localAddress();
            assertThatThrownBy(() -> second.bind(taken))
                    .hasMessage("bind to " + taken + ": Address already in use (EADDRINUSE)");
        }
    }

    @Test
    void anOptionThatIsRefusedIsNamed() throws Exception {
        try (TcpSocket socket = TcpSocket.open(local("127.0.0.1"))) {
            assertThatThrownBy(() -> socket.option(Constants.SOL_SOCKET, 9999, 1, "no such option"))
                    .hasMessage("no such option: Protocol not available (ENOPROTOOPT)");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void aZerocopySendIsNotifiedAsCopiedOnLoopback(String address) throws Exception {
        try (Loopback loopback = Loopback.connect(local(address));
                TcpSocket socket = loopback.socket()) {
            assertThat(socket.enableZerocopy()).isZero();
            int taken = (int) send(socket, Constants.MSG_ZEROCOPY);
            assertThat(loopback.receive(taken)).containsOnly(7);
            awaitNotified(socket, 1);
            assertThat(socket.notificationCopied()).isTrue();
            assertThat(socket.receiveNotification()).isFalse();
            assertThat(socket.pendingError()).isZero();
        }
    }

    /** The notification's control data, left in the msghdr of the next send, made it fail with EINVAL once. */
    @Test
    void sendsAgainAfterANotificationWasReceived() throws Exception {
        try (Loopback loopback = Loopback.connect();
                TcpSocket socket = loopback.socket()) {
            socket.enableZerocopy();
            for (int round = 0; round < 3; round++) {
                int taken = (int) send(socket, Constants.MSG_ZEROCOPY);
                assertThat(taken).isPositive();
                assertThat(loopback.receive(taken)).containsOnly(7);
                while (!socket.receiveNotification()) {
                    Loopback.await(socket.fd(), 0);
                }
                assertThat(socket.notificationFirst()).isEqualTo(round);
                assertThat(socket.notificationLast()).isEqualTo(round);
            }
        }
    }

    @Test
    void withoutZerocopyEnabledTheFlagIsIgnored() throws Exception {
        try (Loopback loopback = Loopback.connect();
                TcpSocket socket = loopback.socket()) {
            int taken = (int) send(socket, Constants.MSG_ZEROCOPY);
            assertThat(loopback.receive(taken)).containsOnly(7);
            assertThat(socket.receiveNotification()).isFalse();
        }
    }

    @Test
    void afterDisconnectEverySendIsNotifiedThoughThePeerReadsNothing() throws Exception {
        try (Loopback loopback = Loopback.connect();
                TcpSocket socket = loopback.socket()) {
            socket.enableZerocopy();
            int sends = fill(socket);
            assertThat(sends).isPositive();
            assertThat(socket.unacknowledgedBytes()).isPositive();
            socket.disconnect();
            awaitNotified(socket, sends);
        }
    }

    @Test
    void afterAResetByThePeerEverySendIsNotified() throws Exception {
        try (Loopback loopback = Loopback.connect();
                TcpSocket socket = loopback.socket()) {
            socket.enableZerocopy();
            int sends = fill(socket);
            loopback.reset();
            awaitNotified(socket, sends);
            assertThat(socket.pendingError()).isEqualTo(Constants.ECONNRESET);
            assertThat(send(socket, 0)).isEqualTo(-Constants.EPIPE);
            socket.disconnect();
        }
    }

    @Test
    void afterShutdownThePeerSeesTheEndBehindWhatWasSent() throws Exception {
        try (Loopback loopback = Loopback.connect();
                TcpSocket socket = loopback.socket()) {
            int taken = (int) send(socket, 0);
            assertThat(socket.shutdownOutput()).isZero();
            assertThat(loopback.receive(taken))
                    .containsExactly(chunk.asSlice(0, taken).toArray(JAVA_BYTE));
            assertThat(loopback.peer().read(ByteBuffer.allocate(1))).isEqualTo(-1);
            assertThat(send(socket, 0)).isEqualTo(-Constants.EPIPE);
        }
    }
}
