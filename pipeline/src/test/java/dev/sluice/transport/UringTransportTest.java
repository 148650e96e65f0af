// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Loopback;
import dev.sluice.linux.SharedMemory;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Over loopback, where the kernel copies what is sent by reference, and says so. */
@Timeout(value = 1, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class UringTransportTest {

    private static final int HEADER_BYTES = 64;
    private static final long SEED = Long.getLong("sluice.seed", System.nanoTime());
    private static final int BYTES = 4 << 20;
    private static final int STRETCH_BYTES = 512 * 1024;
    private static final int CHUNK_BYTES = 256 * 1024;

    /** Of all stretches of a frame: what the peer's window takes at once, since TCP opens a small one slowly. */
    private static final int MOST_STRETCH_BYTES = 1000;

    private final SendCounters counters = new SendCounters();
    private final List<Transfer> settled = new ArrayList<>();
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
        transports = transports(0);
    }

    @AfterEach
    void close() throws IOException {
        transports.close();
        loopback.close();
        memory.close();
    }

    private Transports transports(int plainAfterCopied) {
        return new Transports(
                new Transports.Options(TransportChoice.URING, 0, plainAfterCopied, false, 0),
                new Transports.Memory(List.of(memory.segment()), List.of(memory.segment()), true),
                counters);
    }

    private Transport open() {
        Transport transport = transports.forFrames(transports.open(loopback.socket(), null));
        assertThat(counters.transport()).as(counters.transportReason()).isEqualTo("uring");
        return transport;
    }

    private Transfer chunk(long offset, long bytes) {
        Transfer transfer = new Transfer();
        transfer.add(memory.segment().address() + offset, bytes);
        return transfer;
    }

    /** The send buffer is made for what takes no memory. */
    @Test
    void copiedBytesDoNotFillIt() throws Exception {
        Transports.Options options =
                new Transports.Options(TransportChoice.URING, Long.MAX_VALUE, 0, false, Transports.Options.CHOSEN);
        try (SharedMemory large = SharedMemory.anonymous("large", 16 << 20);
                Transports chosen = new Transports(
                        options, new Transports.Memory(List.of(large.segment()), List.of(), true), counters);
                Transport transport = chosen.forFrames(chosen.open(loopback.socket(), null))) {
            assumeTrue(loopback.socket().sendBuffer() >= 64 << 20, "needs CAP_NET_ADMIN");
            Transport.Progress progress;
            do {
                Transfer plain = new Transfer();
                plain.add(large.segment().address(), 1 << 20);
                progress = transport.send(plain);
            } while (progress == Transport.Progress.SENT);
            assertThat(progress).isEqualTo(Transport.Progress.AWAIT_WRITABLE);
            assertThat(transport.unacknowledgedBytes()).isLessThan(10 << 20);
        }
    }

    @Test
    void noMoreIsUnderWayThanMayBe() throws Exception {
        Transports.Options options = new Transports.Options(TransportChoice.URING, 0, 0, false, 0);
        int chunk = 4096;
        try (Rings rings = new Rings(List.of(memory.segment()));
                Transport transport =
                        new UringTransport(loopback.socket(), rings.take(), rings, 2L * chunk, options, counters)) {
            Transfer third = chunk(0, chunk);
            assertThat(transport.send(chunk(0, chunk))).isEqualTo(Transport.Progress.SENT);
            assertThat(transport.send(chunk(0, chunk))).isEqualTo(Transport.Progress.SENT);
            assertThat(transport.send(third)).isEqualTo(Transport.Progress.AWAIT_COMPLETION);
            assertThat(third.takenBytes()).isZero();
            loopback.receive(2 * chunk);
            await(transport);
            assertThat(transport.send(third)).isEqualTo(Transport.Progress.SENT);
            loopback.receive(chunk);
            while (transport.outstanding() > 0) {
                await(transport);
            }
        }
    }

    private void await(Transport transport) throws IOException {
        if (!transport.holdsSettled()) {
            Loopback.await(transport.completionFd(), Constants.POLLIN);
        }
        transport.reap(settled::add);
    }

    /** As a stage would: waits for whatever the transport says that it waits for. */
    private void sendOn(Transport transport, Transfer transfer) throws IOException {
        Transport.Progress progress = transport.send(transfer);
        while (progress != Transport.Progress.SENT) {
            if (progress == Transport.Progress.AWAIT_WRITABLE) {
                Loopback.await(transport.fd(), Constants.POLLOUT);
            } else {
                await(transport);
            }
            progress = transport.send(transfer);
        }
    }

    private void reapAll(Transport transport) throws IOException {
        while (transport.outstanding() > 0) {
            await(transport);
        }
        transport.reap(settled::add);
    }

    private void assertEveryByteIsCountedOnce() {
        assertThat(counters.outstanding()).isZero();
    }

    private static void check(byte[] received, long offset) {
        for (int i = 0; i < received.length; i++) {
            long at = offset + i;
            if (received[i] != (byte) ((at & -Long.BYTES) >>> ((at & 7) * 8))) {
                throw new AssertionError("seed " + SEED + ": wrong byte at " + at);
            }
        }
    }

    @Test
    void aSendThatFindsNoRoomGoesOnWhereItEndedOnceThereIsSome() throws Exception {
        try (Transport transport = open()) {
            Transfer all = chunk(0, BYTES);
            assertThat(transport.send(all)).isEqualTo(Transport.Progress.AWAIT_WRITABLE);
            assertThat(all.leftBytes()).isBetween(1L, BYTES - 1L);
            long received = 0;
            while (received < BYTES) {
                byte[] some = loopback.receive(CHUNK_BYTES);
                check(some, received);
                received += some.length;
                transport.send(all);
            }
            assertThat(all.leftBytes()).isZero();
            reapAll(transport);
            assertThat(all.settled()).isTrue();
        }
        assertThat(counters.copied.value() + counters.byReference.value()).isEqualTo(BYTES);
        assertEveryByteIsCountedOnce();
    }

    /** While the peer reads, room comes at any moment, and also between one stretch that found none and the next. */
    @Test
    void noStretchOvertakesTheRestOfTheOneBefore() throws Exception {
        int rounds = 30;
        CompletableFuture<Void> reader = CompletableFuture.runAsync(() -> {
            try {
                for (long received = 0; received < (long) rounds * BYTES; received += CHUNK_BYTES) {
                    check(loopback.receive(CHUNK_BYTES), received % BYTES);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        try (Transport transport = open()) {
            for (int round = 0; round < rounds; round++) {
                Transfer all = new Transfer();
                for (long at = 0; at < BYTES; at += STRETCH_BYTES) {
                    all.add(memory.segment().address() + at, STRETCH_BYTES);
                }
                sendOn(transport, all);
            }
            reader.get();
            reapAll(transport);
        }
        assertEveryByteIsCountedOnce();
    }

    /** Any stretches, registered or not, in any lengths: in their order, and none twice. */
    @Test
    void headersAndStretchesArriveInOrder() throws Exception {
        System.out.println("seed " + SEED);
        Random random = new Random(SEED);
        MemorySegment elsewhere = Arena.ofAuto().allocate(BYTES, Long.BYTES);
        elsewhere.copyFrom(memory.segment());
        try (Transport transport = open()) {
            for (int frame = 0; frame < 100; frame++) {
                Transfer transfer = new Transfer();
                List<long[]> stretches = new ArrayList<>();
                boolean copied = frame == 50 || random.nextInt(10) == 0;
                int count = 1 + (frame == 50 ? 3000 : random.nextInt(copied ? 200 : 4));
                for (int i = 0; i <= count; i++) {
                    long bytes = 1L + random.nextInt(i == 0 ? 64 : Math.max(1, MOST_STRETCH_BYTES / count));
                    long offset = random.nextLong(BYTES - bytes);
                    long base = (i == 0 || copied || random.nextInt(8) == 0 ? elsewhere : memory.segment()).address();
                    if (i == 0) {
                        transfer.addHeader(base + offset, bytes);
                    } else {
                        transfer.add(base + offset, bytes);
                    }
                    stretches.add(new long[] {offset, bytes});
                }
                sendOn(transport, transfer);
                for (long[] stretch : stretches) {
                    check(loopback.receive((int) stretch[1]), stretch[0]);
                }
            }
            reapAll(transport);
        }
        assertEveryByteIsCountedOnce();
    }

    @Test
    void afterAnAbortEverythingIsReapedThoughThePeerReadsNothing() throws Exception {
        Transfer whole = chunk(0, 1000);
        Transfer cut = chunk(0, BYTES);
        try (Transport transport = open()) {
            assertThat(transport.send(whole)).isEqualTo(Transport.Progress.SENT);
            assertThat(transport.send(cut)).isEqualTo(Transport.Progress.AWAIT_WRITABLE);
            assertThat(transport.outstanding()).isPositive();
            transport.abort();
            while (transport.outstanding() > 0) {
                transport.reap(settled::add);
            }
            assertThat(whole.settled()).isTrue();
            assertThat(cut.outstanding()).isZero();
        }
        assertEveryByteIsCountedOnce();
    }

    @Test
    void afterAResetTheConnectionIsLostAndEverythingIsReaped() throws Exception {
        Transfer cut = chunk(0, BYTES);
        try (Transport transport = open()) {
            assertThat(transport.send(cut)).isEqualTo(Transport.Progress.AWAIT_WRITABLE);
            loopback.reset();
            assertThatThrownBy(() -> {
                        while (true) {
                            transport.send(cut);
                        }
                    })
                    .isInstanceOf(ConnectionLostException.class);
            assertThat(cut.leftBytes()).isPositive();
            transport.abort();
            reapAll(transport);
            assertThat(cut.outstanding()).isZero();
        }
        assertEveryByteIsCountedOnce();
    }

    /** What it asked for, the kernel may be done with when it is gone. */
    @Test
    void aSendOutlivesTheThreadThatBeganIt() throws Exception {
        try (Transport transport = open()) {
            Transfer all = new Transfer();
            MemorySegment elsewhere = Arena.ofAuto().allocate(HEADER_BYTES, Long.BYTES);
            elsewhere.copyFrom(memory.segment().asSlice(0, HEADER_BYTES));
            all.addHeader(elsewhere.address(), HEADER_BYTES);
            for (long at = HEADER_BYTES; at < BYTES; at += BYTES / 4) {
                all.add(memory.segment().address() + at, Math.min(BYTES / 4, BYTES - at));
            }
            Thread thread = Thread.ofPlatform().start(() -> {
                try {
                    transport.send(all);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            thread.join();
            long received = 0;
            while (received < BYTES) {
                transport.send(all);
                byte[] some = loopback.receive(4096);
                check(some, received);
                received += some.length;
            }
            sendOn(transport, all);
            reapAll(transport);
            assertThat(all.settled()).isTrue();
            // What was cancelled has left nothing behind.
            for (int i = 0; i < 3000; i++) {
                Transfer more = chunk(8L * i, 800);
                sendOn(transport, more);
                assertThat(transport.outstanding()).isPositive();
                check(loopback.receive(800), 8L * i);
                reapAll(transport);
                assertThat(more.settled()).isTrue();
                assertThat(transport.holdsSettled()).isFalse();
            }
        }
        assertEveryByteIsCountedOnce();
    }

    @Test
    void theNextConnectionGetsTheRingOfTheOneBefore() throws Exception {
        int first;
        try (Transport transport = open()) {
            first = transport.completionFd();
        }
        loopback.close();
        loopback = Loopback.connect();
        try (Transport transport = open()) {
            assertThat(transport.completionFd()).isEqualTo(first);
            Transfer transfer = chunk(8, 800);
            assertThat(transport.send(transfer)).isEqualTo(Transport.Progress.SENT);
            check(loopback.receive(800), 8);
            reapAll(transport);
        }
    }

    /** Of as many bytes as a packet holds: fewer may have found room in another's, of which they say the same. */
    @Test
    void afterARunOfCopiedSendsTheyArePlainAndTheReasonIsTold() throws Exception {
        transports.close();
        transports = transports(3);
        try (Transport transport = open()) {
            for (int i = 0; i < 68; i++) {
                assertThat(transport.send(chunk(0, 1000))).isEqualTo(Transport.Progress.SENT);
                check(loopback.receive(1000), 0);
                reapAll(transport);
            }
        }
        assertThat(counters.plainReason()).contains("were copied by the kernel");
        assertThat(counters.plain.value()).isEqualTo(2000);
        assertEveryByteIsCountedOnce();
    }

    /** A file that is mapped to be read is no memory that can be registered for io_uring. */
    @Test
    void memoryThatCannotBeRegisteredIsSentOtherwiseAndTheReasonIsTold(@TempDir Path folder) throws Exception {
        Path file = Files.write(folder.resolve("file"), new byte[CHUNK_BYTES]);
        try (SharedMemory mapped = SharedMemory.file(file, CHUNK_BYTES);
                Transports others = new Transports(
                        new Transports.Options(TransportChoice.URING, 0, 0, false, 0),
                        new Transports.Memory(List.of(mapped.segment()), List.of(), true),
                        counters);
                Transport transport = others.forFrames(others.open(loopback.socket(), null))) {
            assertThat(counters.transport()).isEqualTo("zerocopy");
            assertThat(counters.transportReason()).startsWith("instead of uring: ");
            Transfer transfer = new Transfer();
            transfer.add(mapped.segment().address(), 1000);
            assertThat(transport.send(transfer)).isEqualTo(Transport.Progress.SENT);
            assertThat(loopback.receive(1000)).containsOnly(0);
        }
    }
}
