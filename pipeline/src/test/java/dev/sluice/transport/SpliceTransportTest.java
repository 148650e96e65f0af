// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Loopback;
import dev.sluice.linux.SharedMemory;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 1, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class SpliceTransportTest {

    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final int BYTES = 4 << 20;
    private static final int CHUNK_BYTES = 64 * 1024;
    private static final long POISON = 0xdeadbeefdeadbeefL;

    private final SendCounters counters = new SendCounters();
    private Loopback loopback;
    private SharedMemory memory;
    private Transports transports;

    @BeforeEach
    void connect() throws IOException {
        loopback = Loopback.connect();
        memory = SharedMemory.anonymous("test", BYTES);
        for (long at = 0; at < BYTES; at += Long.BYTES) {
            memory.segment().set(JAVA_LONG, at, at);
        }
        transports = transports(0, false);
    }

    @AfterEach
    void close() throws IOException {
        transports.close();
        loopback.close();
        memory.close();
    }

    private Transports transports(long thresholdBytes, boolean held) {
        return new Transports(
                new Transports.Options(TransportChoice.SPLICE, thresholdBytes, 0, held, 0),
                new Transports.Memory(List.of(memory.segment()), List.of(memory.segment()), true),
                counters);
    }

    private Transport open() {
        Transport transport = transports.forFrames(transports.open(loopback.socket(), null));
        assertThat(counters.chosen()).isEqualTo("splice");
        return transport;
    }

    private static MemorySegment copyOf(MemorySegment memory) {
        return Arena.ofAuto().allocate(memory.byteSize(), Long.BYTES).copyFrom(memory);
    }

    private void check(byte[] received, long offset) {
        ByteBuffer words = ByteBuffer.wrap(received).order(ByteOrder.nativeOrder());
        for (int i = 0; i < received.length; i += Long.BYTES) {
            assertThat(words.getLong(i))
                    .as("seed %d: word at %d", SEED, offset + i)
                    .isEqualTo(offset + i);
        }
    }

    @Test
    void whatFindsNoRoomGoesOnWhereItEnded() throws Exception {
        try (Transport transport = open()) {
            Transfer all = new Transfer();
            all.add(memory.segment().address(), BYTES);
            assertThat(transport.send(all)).isEqualTo(Transport.Progress.AWAIT_WRITABLE);
            for (long received = 0; received < BYTES; received += CHUNK_BYTES) {
                check(loopback.receive(CHUNK_BYTES), received);
                transport.send(all);
            }
            assertThat(all.settled()).isTrue();
        }
        assertThat(counters.byReference.value()).isEqualTo(BYTES);
        assertThat(counters.outstanding()).isZero();
    }

    /** What may be referred to, what may not, and headers, in any lengths and as often as a frame may have them. */
    @Test
    void headersAndStretchesArriveInOrder() throws Exception {
        System.out.println("seed " + SEED);
        Random random = new Random(SEED);
        MemorySegment elsewhere = copyOf(memory.segment());
        long referred = 0;
        long plain = 0;
        try (Transport transport = open()) {
            for (int frame = 0; frame < 200; frame++) {
                Transfer transfer = new Transfer();
                List<long[]> stretches = new ArrayList<>();
                int count = frame == 100 ? 3000 : random.nextInt(1, 8);
                for (int i = 0; i <= count; i++) {
                    long bytes = 8L * random.nextInt(1, count > 100 ? 2 : 1000);
                    long offset = 8L * random.nextLong((BYTES - bytes) / 8);
                    boolean constant = i > 0 && random.nextInt(3) > 0;
                    long address = (constant ? memory.segment() : elsewhere).address() + offset;
                    if (i == 0) {
                        transfer.addHeader(address, bytes);
                    } else {
                        transfer.add(address, bytes);
                    }
                    referred += constant ? bytes : 0;
                    plain += constant ? 0 : bytes;
                    stretches.add(new long[] {offset, bytes});
                }
                int checked = 0;
                while (transport.send(transfer) != Transport.Progress.SENT) {
                    check(
                            loopback.receive((int) stretches.get(checked)[1]),
                            stretches.get(checked++)[0]);
                }
                for (long[] stretch : stretches.subList(checked, stretches.size())) {
                    check(loopback.receive((int) stretch[1]), stretch[0]);
                }
            }
        }
        assertThat(counters.byReference.value()).isEqualTo(referred);
        assertThat(counters.plain.value()).isEqualTo(plain);
    }

    /** This is why it is allowed only where the receiver itself acknowledges, or nobody writes. */
    @Test
    void whatTcpHasAcknowledgedIsStillReadFromTheMemory() throws Exception {
        try (Transport transport = open()) {
            Transfer transfer = new Transfer();
            transfer.add(memory.segment().address(), 1024);
            assertThat(transport.send(transfer)).isEqualTo(Transport.Progress.SENT);
            assertThat(transfer.settled()).isTrue();
            while (transport.unacknowledgedBytes() > 0) {
                Thread.onSpinWait();
            }
            memory.segment().set(JAVA_LONG, 8, POISON);
            ByteBuffer received = ByteBuffer.wrap(loopback.receive(1024)).order(ByteOrder.nativeOrder());
            assertThat(received.getLong(8)).isEqualTo(POISON);
        }
    }

    /** A filter's own memory, and the headers: they are used again as soon as a transfer is settled. */
    @Test
    void memoryThatIsNotKnownToStayAsItIsIsCopied() throws Exception {
        MemorySegment elsewhere = copyOf(memory.segment());
        try (Transport transport = open()) {
            Transfer transfer = new Transfer();
            transfer.addHeader(memory.segment().address(), 64);
            transfer.add(elsewhere.address() + 64, 1024);
            assertThat(transport.send(transfer)).isEqualTo(Transport.Progress.SENT);
            elsewhere.fill((byte) 0x55);
            memory.segment().fill((byte) 0x55);
            check(loopback.receive(1088), 0);
        }
        assertThat(counters.plain.value()).isEqualTo(1088);
    }

    @Test
    void memoryThatIsHeldUntilItIsAcknowledgedIsReferredToWhereverItLies() throws Exception {
        transports.close();
        transports = transports(0, true);
        MemorySegment elsewhere = copyOf(memory.segment());
        try (Transport transport = open()) {
            Transfer transfer = new Transfer();
            transfer.addHeader(elsewhere.address(), 64);
            transfer.add(elsewhere.address() + 64, 1024);
            assertThat(transport.send(transfer)).isEqualTo(Transport.Progress.SENT);
            check(loopback.receive(1088), 0);
        }
        assertThat(counters.byReference.value()).as("its header, too").isEqualTo(1088);
        assertThat(counters.plain.value()).isZero();
    }

    @Test
    void stretchesBelowTheThresholdAreSentPlainly() throws Exception {
        transports.close();
        transports = transports(4096, false);
        try (Transport transport = open()) {
            Transfer transfer = new Transfer();
            transfer.add(memory.segment().address(), 1024);
            assertThat(transport.send(transfer)).isEqualTo(Transport.Progress.SENT);
            check(loopback.receive(1024), 0);
        }
        assertThat(counters.plain.value()).isEqualTo(1024);
        assertThat(counters.plainReason()).contains("below zerocopy-threshold = 4096");
    }

    @Test
    void memoryThatIsGoneIsAnErrorAndNotAWait() throws Exception {
        SharedMemory gone = SharedMemory.anonymous("gone", CHUNK_BYTES);
        MemorySegment segment = gone.segment();
        Transports.Options options = new Transports.Options(TransportChoice.SPLICE, 0, 0, false, 0);
        try (Transports others = new Transports(
                        options, new Transports.Memory(List.of(segment), List.of(segment), true), counters);
                Transport transport = others.forFrames(others.open(loopback.socket(), null))) {
            Transfer transfer = new Transfer();
            transfer.add(segment.address(), 1024);
            gone.close();
            assertThatThrownBy(() -> transport.send(transfer)).isInstanceOf(UnreadableMemoryException.class);
        }
        assertThat(counters.plainReason()).contains("EFAULT");
    }

    @Test
    void aPeerThatIsGoneIsAConnectionLost() throws Exception {
        try (Transport transport = open()) {
            Transfer cut = new Transfer();
            cut.add(memory.segment().address(), BYTES);
            assertThat(transport.send(cut)).isEqualTo(Transport.Progress.AWAIT_WRITABLE);
            loopback.reset();
            Loopback.await(transport.fd(), Constants.POLLOUT);
            assertThatThrownBy(() -> transport.send(cut)).isInstanceOf(ConnectionLostException.class);
            transport.abort();
            assertThat(cut.outstanding()).isZero();
        }
    }
}
