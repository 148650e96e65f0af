// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.linux.Loopback;
import dev.sluice.linux.SharedMemory;
import dev.sluice.metrics.SendCounters;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is chosen, and what is said of it. */
final class TransportsTest {

    private static final int BYTES = 4 << 20;

    private final SendCounters counters = new SendCounters();
    private SharedMemory memory;

    @BeforeEach
    void map() throws IOException {
        memory = SharedMemory.anonymous("test", BYTES);
    }

    @AfterEach
    void unmap() {
        memory.close();
    }

    private void choose(InetAddress receiver, TransportChoice choice) throws IOException {
        try (Loopback loopback = Loopback.connect(receiver);
                Transports transports = new Transports(
                        new Transports.Options(choice, 0, 0, false, 0),
                        new Transports.Memory(List.of(memory.segment()), List.of(memory.segment()), true),
                        counters);
                Transport transport = transports.forFrames(transports.open(loopback.socket(), null))) {
            transport.abort();
        }
    }

    /** Also by an address that others would use. */
    @Test
    void autoCopiesToAReceiverOnThisMachineAndSaysWhy() throws Exception {
        List<InetAddress> addresses = NetworkInterface.networkInterfaces()
                .flatMap(NetworkInterface::inetAddresses)
                .filter(Inet4Address.class::isInstance)
                .toList();
        assertThat(addresses).isNotEmpty();
        for (InetAddress address : addresses) {
            choose(address, TransportChoice.AUTO);
            assertThat(counters.chosen()).isEqualTo("copy");
            assertThat(counters.plainReason()).startsWith("the receiver is on this machine");
        }
    }

    @Test
    void whatIsAskedForByNameIsTakenWhereverTheReceiverIs() throws Exception {
        choose(InetAddress.getLoopbackAddress(), TransportChoice.ZEROCOPY);
        assertThat(counters.chosen()).isEqualTo("zerocopy");
        choose(InetAddress.getLoopbackAddress(), TransportChoice.COPY);
        assertThat(counters.chosen()).isEqualTo("copy");
    }

    @ParameterizedTest
    @CsvSource({
        "6.10.0, true",
        "6.9.12-generic, false",
        "6.1.0-56-amd64, false",
        "6.18.44, true",
        "7.0, true",
        "7, true",
        "5.15, false",
        "'', false",
        "unknown, false"
    })
    void notificationsAreJoinedFromLinux610On(String release, boolean joined) {
        assertThat(Transports.Best.of(false, KernelRelease.of(release), () -> "", () -> true)
                        .choice())
                .isEqualTo(joined ? TransportChoice.URING : TransportChoice.ZEROCOPY);
    }

    @ParameterizedTest
    @CsvSource({
        "true,  6.12, '',                         true,  COPY,     the receiver is on this machine",
        "false, 6.12, '',                         true,  URING,    'since this kernel can'",
        "false, 6.9,  '',                         true,  ZEROCOPY, 'since this kernel notifies of each send'",
        "false, 6.12, 'this kernel has no io_uring', true, ZEROCOPY, 'since there is no uring: this kernel has no io_uring'",
        "false, 6.12, '',                         false, ZEROCOPY, 'since uring is slower in a send buffer as small'",
    })
    void autoTakesTheBestThatThereIs(
            boolean local, String release, String noRing, boolean room, TransportChoice choice, String reason) {
        Transports.Best best = Transports.Best.of(local, KernelRelease.of(release), () -> noRing, () -> room);
        assertThat(best.choice()).isEqualTo(choice);
        assertThat(best.reason()).startsWith(reason);
    }

    /** Nothing is pinned before it is refused. */
    @Test
    void memoryThatCannotBeReleasedOnceItIsRegisteredIsNot() throws Exception {
        Transports.Memory memories = new Transports.Memory(List.of(memory.segment()), List.of(), false);
        try (Loopback loopback = Loopback.connect();
                Transports transports =
                        new Transports(Transports.Options.always(TransportChoice.URING), memories, counters);
                Transport transport = transports.forFrames(transports.open(loopback.socket(), null))) {
            assertThat(counters.transport()).isEqualTo("zerocopy");
            assertThat(counters.transportReason())
                    .startsWith("instead of uring: the driver's buffers have single pages");
            transport.abort();
        }
    }

    /** No bound on what comes out: it is this machine's. */
    @ParameterizedTest
    @CsvSource({"ZEROCOPY", "URING"})
    void theThresholdIsMeasuredOnceAndTold(TransportChoice choice) throws Exception {
        List<MemorySegment> memories = List.of(memory.segment());
        try (Transports transports = new Transports(
                new Transports.Options(choice, Transports.Options.MEASURED, 0, false, 0),
                new Transports.Memory(memories, List.of(), true),
                counters)) {
            for (int connection = 0; connection < 2; connection++) {
                try (Loopback loopback = Loopback.connect();
                        Transport transport = transports.forFrames(transports.open(loopback.socket(), null))) {
                    assertThat(counters.transport()).isEqualTo(choice.name().toLowerCase(Locale.ROOT));
                    transport.abort();
                }
            }
        }
        Crossover.Result result = Crossover.measure(memories, (socket, counted) -> {
            socket.enableZerocopy();
            return new ZerocopyTransport(
                    socket, Long.MAX_VALUE, new Transports.Options(choice, 0, 0, false, 0), counted);
        });
        System.out.println(result);
        assertThat(result.bytes()).isBetween(4L << 10, 128L << 10);
        assertThat(result.how()).startsWith("measured: ");
    }

    @Test
    void aThresholdThatCannotBeMeasuredIsAssumed() {
        assertThat(Crossover.measure(List.of(), CopyTransport::new).bytes()).isEqualTo(Crossover.ASSUMED_BYTES);
        Crossover.Result refused = Crossover.measure(List.of(memory.segment()), (socket, counted) -> {
            throw new IOException("not here");
        });
        assertThat(refused.bytes()).isEqualTo(Crossover.ASSUMED_BYTES);
        assertThat(refused.how()).endsWith("not here");
    }
}
