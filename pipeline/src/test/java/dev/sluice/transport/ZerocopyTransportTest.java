// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Loopback;
import dev.sluice.linux.SharedMemory;
import dev.sluice.linux.TcpSocket;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Over loopback, where the kernel copies every zero-copy send in the end, and says so. */
final class ZerocopyTransportTest {

    private static final int CHUNK_BYTES = 64 * 1024;
    private static final long NO_THRESHOLD = 0;
    private static final int NEVER_PLAIN = 0;

    private final SendCounters counters = new SendCounters();
    private final List<Transfer> settled = new ArrayList<>();
    private Loopback loopback;
    private SharedMemory memory;

    @TempDir
    private Path folder;

    @BeforeEach
    void connect() throws IOException {
        loopback = Loopback.connect();
        memory = SharedMemory.anonymous("test", CHUNK_BYTES);
        for (long at = 0; at < CHUNK_BYTES; at += Long.BYTES) {
            memory.segment().set(JAVA_LONG, at, at);
        }
    }

    @AfterEach
    void close() throws IOException {
        loopback.close();
        memory.close();
    }

    private Transport open(TransportChoice choice, long thresholdBytes, int plainAfterCopied) {
        Transports.Options options = new Transports.Options(choice, thresholdBytes, plainAfterCopied, false, 0);
        return open(loopback.socket(), options);
    }

    private Transport open(TcpSocket socket, Transports.Options options) {
        Transports transports = new Transports(
                options, new Transports.Memory(List.of(memory.segment()), List.of(memory.segment()), true), counters);
        return transports.forFrames(transports.open(socket, null));
    }

    private static Transfer transfer(MemorySegment memory, long bytes) {
        Transfer transfer = new Transfer();
        transfer.add(memory.address(), bytes);
        return transfer;
    }

    private Transfer chunk() {
        return transfer(memory.segment(), CHUNK_BYTES);
    }

    /** Sends one chunk whole while the peer reads it, and reaps it. */
    private void exchange(Transport transport) throws IOException {
        Transfer transfer = chunk();
        Transport.Progress progress = transport.send(transfer);
        long received = 0;
        while (true) {
            int more = (int) (CHUNK_BYTES - transfer.leftBytes() - received);
            check(loopback.receive(more), received);
            received += more;
            if (progress == Transport.Progress.SENT) {
                break;
            }
            Loopback.await(transport.fd(), Constants.POLLOUT);
            reapAll(transport);
            progress = transport.send(transfer);
        }
        assertThat(received).isEqualTo(CHUNK_BYTES);
        reapAll(transport);
        assertThat(transfer.settled()).isTrue();
    }

    @Test
    void noMoreIsUnderWayThanMayBe() throws IOException {
        loopback.socket().enableZerocopy();
        Transports.Options options = new Transports.Options(TransportChoice.ZEROCOPY, 0, NEVER_PLAIN, false, 0);
        try (Transport transport = new ZerocopyTransport(loopback.socket(), 2L * CHUNK_BYTES, options, counters)) {
            Transfer third = chunk();
            assertThat(transport.send(chunk())).isEqualTo(Transport.Progress.SENT);
            assertThat(transport.send(chunk())).isEqualTo(Transport.Progress.SENT);
            assertThat(transport.send(third)).isEqualTo(Transport.Progress.AWAIT_COMPLETION);
            assertThat(third.takenBytes()).isZero();
            check(loopback.receive(CHUNK_BYTES), 0);
            check(loopback.receive(CHUNK_BYTES), 0);
            reapAll(transport);
            assertThat(transport.send(third)).isEqualTo(Transport.Progress.SENT);
            check(loopback.receive(CHUNK_BYTES), 0);
            reapAll(transport);
        }
    }

    private static void check(byte[] received, long position) {
        for (int at = 0; at < received.length; at++) {
            long in = position + at;
            byte expected = (byte) ((in & -Long.BYTES) >>> ((in & 7) * 8));
            assertThat(received[at]).isEqualTo(expected);
        }
    }

    private void reapAll(Transport transport) throws IOException {
        while (transport.outstanding() > 0) {
            Loopback.await(transport.fd(), 0);
            transport.reap(settled::add);
        }
    }

    /** Sends until the socket takes no more; the peer reads nothing. */
    private List<Transfer> fill(Transport transport) throws IOException {
        List<Transfer> sent = new ArrayList<>();
        do {
            sent.add(chunk());
        } while (transport.send(sent.getLast()) == Transport.Progress.SENT);
        return sent;
    }

    private void assertEveryByteIsCountedOnce() {
        assertThat(counters.outstanding()).isZero();
        assertThat(counters.sent.value())
                .isEqualTo(counters.byReference.value() + counters.copied.value() + counters.plain.value());
    }

    @Test
    void loopbackCopiesAndThatIsCounted() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, NEVER_PLAIN)) {
            for (int i = 0; i < 5; i++) {
                exchange(transport);
            }
        }
        assertThat(settled).hasSize(5);
        assertThat(counters.copied.value()).isEqualTo(5 * CHUNK_BYTES);
        assertThat(counters.plain.value()).isZero();
        assertThat(counters.notifications.value()).isPositive();
        assertThat(counters.plainReason()).isEmpty();
        assertEveryByteIsCountedOnce();
    }

    @Test
    void afterARunOfCopiedSendsTheyArePlainAndTheReasonIsTold() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, 3)) {
            // An exchange is one send or more, and its notifications may come as one.
            for (int i = 0; counters.plainReason().isEmpty(); i++) {
                assertThat(i).isLessThan(3);
                assertThat(counters.plain.value()).isZero();
                exchange(transport);
            }
            assertThat(counters.plainReason())
                    .contains("sends were copied by the kernel, as its notifications say")
                    .contains("loopback");
            long copied = counters.copied.value();
            exchange(transport);
            assertThat(counters.plain.value()).isEqualTo(CHUNK_BYTES);
            assertThat(counters.copied.value()).isEqualTo(copied);
        }
        assertEveryByteIsCountedOnce();
    }

    @Test
    void aNewConnectionTriesAgainByReference() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, 1)) {
            exchange(transport);
        }
        assertThat(counters.plainReason()).isNotEmpty();
        loopback.close();
        loopback = Loopback.connect();
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, 1)) {
            assertThat(counters.plainReason()).isEmpty();
            long copied = counters.copied.value();
            exchange(transport);
            assertThat(counters.copied.value()).isGreaterThan(copied);
        }
    }

    @Test
    void stretchesBelowTheThresholdAreSentPlainly() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, CHUNK_BYTES + 1, NEVER_PLAIN)) {
            exchange(transport);
            assertThat(transport.outstanding()).isZero();
        }
        assertThat(counters.plain.value()).isEqualTo(CHUNK_BYTES);
        assertThat(counters.notifications.value()).isZero();
        assertThat(settled).isEmpty();
    }

    @Test
    void stretchesAtTheThresholdGoByReference() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, CHUNK_BYTES, NEVER_PLAIN)) {
            exchange(transport);
        }
        assertThat(counters.plain.value()).isZero();
    }

    @Test
    void copyIsPlainBecauseItWasAskedFor() throws Exception {
        try (Transport transport = open(TransportChoice.COPY, NO_THRESHOLD, NEVER_PLAIN)) {
            exchange(transport);
        }
        assertThat(counters.plain.value()).isEqualTo(CHUNK_BYTES);
        assertThat(counters.plainReason()).isEqualTo("transport = copy");
        assertEveryByteIsCountedOnce();
    }

    @Test
    void afterAnAbortEverythingIsReapedThoughThePeerReadsNothing() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, NEVER_PLAIN)) {
            List<Transfer> sent = fill(transport);
            assertThat(transport.unacknowledgedBytes()).isPositive();
            reapAllAfterAbort(transport);
            assertThat(sent).allMatch(transfer -> transfer.outstanding() == 0);
            assertThat(settled)
                    .as("the last was not taken whole")
                    .containsExactlyInAnyOrderElementsOf(sent.subList(0, sent.size() - 1));
        }
        assertEveryByteIsCountedOnce();
    }

    @Test
    void afterAResetTheConnectionIsLostAndEverythingIsReaped() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, NEVER_PLAIN)) {
            List<Transfer> sent = fill(transport);
            loopback.reset();
            reapAll(transport);
            assertThat(transport.pendingError()).isEqualTo(Constants.ECONNRESET);
            assertThatThrownBy(() -> transport.send(sent.getLast()))
                    .isInstanceOf(ConnectionLostException.class)
                    .hasMessage("Broken pipe (EPIPE)");
        }
        assertEveryByteIsCountedOnce();
    }

    /** Sends that are joined to the one before share what they cost of optmem, so each gets packets of its own. */
    @Test
    void whenOptmemIsUsedUpASendWaitsForACompletion() throws Exception {
        loopback.socket().option(Constants.SOL_SOCKET, Constants.SO_SNDBUF, 4 << 20, "SO_SNDBUF");
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, NEVER_PLAIN)) {
            Transport.Progress progress;
            do {
                sendPacket();
                sendPacket();
                progress = transport.send(transfer(memory.segment(), 1));
            } while (progress == Transport.Progress.SENT);
            assumeTrue(
                    progress != Transport.Progress.AWAIT_WRITABLE,
                    "net.core.wmem_max leaves no room for as many sends as net.core.optmem_max does");
            assertThat(progress).isEqualTo(Transport.Progress.AWAIT_COMPLETION);
            assertThat(counters.noBuffers.value()).isEqualTo(1);
            reapAllAfterAbort(transport);
        }
        assertEveryByteIsCountedOnce();
    }

    /** A byte that ends the packet it is in. */
    private void sendPacket() {
        int endOfRecord = 0x80; // MSG_EOR of <sys/socket.h>
        loopback.socket().send(transfer(memory.segment(), 1).iovecAddress(), 1, endOfRecord);
    }

    private void reapAllAfterAbort(Transport transport) throws IOException {
        assertThat(transport.outstanding()).isPositive();
        transport.abort();
        reapAll(transport);
    }

    @Test
    void memoryWithoutPagesIsSentPlainlyAndTheReasonIsTold() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, NEVER_PLAIN)) {
            Transfer transfer = new Transfer();
            transfer.add(kernelsPage(), 64);
            assertThat(transport.send(transfer)).isEqualTo(Transport.Progress.SENT);
            assertThat(transfer.settled()).isTrue();
            loopback.receive(64);
            assertThat(counters.plain.value()).isEqualTo(64);
            assertThat(counters.plainReason()).contains("EFAULT").contains("no struct pages");
            exchange(transport);
            assertThat(counters.plain.value()).isEqualTo(64 + CHUNK_BYTES);
        }
        assertEveryByteIsCountedOnce();
    }

    /** The clock's data, which the kernel maps into every process by frame number as a driver maps device memory. */
    private static long kernelsPage() throws IOException {
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
            List<String> found = maps.filter(line -> line.endsWith("[vvar]")).toList();
            assumeTrue(!found.isEmpty(), "this kernel maps no [vvar]");
            return Long.parseUnsignedLong(
                    found.getFirst().substring(0, found.getFirst().indexOf('-')), 16);
        }
    }

    @Test
    void memoryThatIsGoneIsAnErrorAndNotAWait() throws Exception {
        Path file = Files.write(folder.resolve("file"), new byte[CHUNK_BYTES]);
        try (SharedMemory mapped = SharedMemory.file(file, CHUNK_BYTES);
                FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(0);
            for (TransportChoice choice : List.of(TransportChoice.ZEROCOPY, TransportChoice.COPY)) {
                try (Loopback connection = Loopback.connect();
                        Transport transport =
                                open(connection.socket(), new Transports.Options(choice, 0, 0, false, 0))) {
                    assertThatThrownBy(() -> transport.send(transfer(mapped.segment(), CHUNK_BYTES)))
                            .isInstanceOf(UnreadableMemoryException.class)
                            .hasMessageContaining("truncated");
                    assertThat(transport.outstanding()).isZero();
                }
            }
        }
        assertThat(counters.sent.value()).isZero();
    }

    @Test
    void aHeaderAndItsPayloadArriveInOrder() throws Exception {
        try (Transport transport = open(TransportChoice.ZEROCOPY, NO_THRESHOLD, NEVER_PLAIN)) {
            Transfer transfer = new Transfer();
            transfer.addHeader(memory.segment().address() + 8, 8);
            transfer.add(memory.segment().address() + 800, 16);
            assertThat(transport.send(transfer)).isEqualTo(Transport.Progress.SENT);
            ByteBuffer received = ByteBuffer.wrap(loopback.receive(24)).order(ByteOrder.nativeOrder());
            assertThat(new long[] {received.getLong(), received.getLong(), received.getLong()})
                    .containsExactly(8, 800, 808);
            reapAll(transport);
        }
    }
}
