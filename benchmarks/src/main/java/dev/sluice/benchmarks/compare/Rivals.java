// SPDX-License-Identifier: Apache-2.0
package dev.sluice.benchmarks.compare;

import dev.sluice.benchmarks.compare.Rival.Kind;
import dev.sluice.benchmarks.compare.Rival.Runtime;
import dev.sluice.transport.TransportChoice;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** All that are compared, in the order of the tables. */
final class Rivals {

    private static final String WRITE = "c-write";
    private static final String WRITEV = "c-writev";
    private static final String ZEROCOPY = "c-zerocopy";
    private static final String SENDFILE = "c-sendfile";
    private static final String SPLICE = "c-splice";
    private static final String URING = "c-uring";

    private Rivals() {}

    /** Each transport of Sluice with its sink's settings, and the loop in C that sends the same way. */
    private record SluiceTransport(String transport, Kind kind, String limit, List<String> framings, String settings) {

        /** Whether this Sluice has it. */
        boolean exists() {
            return Arrays.stream(TransportChoice.values())
                    .anyMatch(choice -> choice.name().toLowerCase(Locale.ROOT).equals(transport));
        }
    }

    private static final List<String> BOTH = List.of("raw", "sluice");

    /** Without going over to plain sends, as Sluice does for small frames and on loopback: it is this that is measured. */
    private static final String STAYS = "zerocopy-threshold = 0, plain-after-copied = 0";

    private static final List<SluiceTransport> SLUICE = List.of(
            new SluiceTransport("copy", Kind.COPYING, WRITEV, BOTH, ""),
            new SluiceTransport("zerocopy", Kind.BY_REFERENCE, ZEROCOPY, BOTH, STAYS),
            new SluiceTransport("uring", Kind.BY_REFERENCE, URING, BOTH, STAYS),
            new SluiceTransport(
                    "splice",
                    Kind.BY_REFERENCE,
                    SPLICE,
                    List.of("sluice"),
                    "delivery = resume, zerocopy-threshold = 0"));

    static List<Rival> all() {
        List<Rival> rivals = new ArrayList<>(List.of(
                new Rival(WRITE, Kind.COPYING, WRITE, Runtime.C, List.of("send_write")),
                new Rival(WRITEV, Kind.COPYING, WRITEV, Runtime.C, List.of("send_writev")),
                new Rival(ZEROCOPY, Kind.BY_REFERENCE, ZEROCOPY, Runtime.C, List.of("send_zerocopy")),
                new Rival(SENDFILE, Kind.BY_REFERENCE, SENDFILE, Runtime.C, List.of("send_file")),
                new Rival(SPLICE, Kind.BY_REFERENCE, SPLICE, Runtime.C, List.of("send_splice")),
                new Rival(URING, Kind.BY_REFERENCE, URING, Runtime.C, List.of("send_uring")),
                jvm("java-nio", Kind.COPYING, WRITE),
                jvm("java-transfer-to", Kind.BY_REFERENCE, SENDFILE),
                jvm("pekko-tcp", Kind.COPYING, WRITE),
                jvm("netty-epoll", Kind.COPYING, WRITEV),
                jvm("netty-io-uring", Kind.BY_REFERENCE, URING),
                new Rival("iperf3", Kind.COPYING, WRITE, Runtime.IPERF, List.of()),
                new Rival("iperf3-Z", Kind.BY_REFERENCE, SENDFILE, Runtime.IPERF, List.of("-Z"))));
        for (SluiceTransport transport : SLUICE) {
            if (transport.exists()) {
                transport.framings().forEach(framing -> rivals.add(sluice(transport, framing)));
            }
        }
        return List.copyOf(rivals);
    }

    /** One of Sluice, over a transport: with raw frames, unless that cannot do without the receiver's word. */
    static Rival sluice(String transport) {
        return SLUICE.stream()
                .filter(one -> one.transport().equals(transport))
                .map(one -> sluice(one, one.framings().getFirst()))
                .findFirst()
                .orElseThrow();
    }

    private static Rival jvm(String name, Kind kind, String limit) {
        return new Rival(name, kind, limit, Runtime.JVM, List.of(name));
    }

    private static Rival sluice(SluiceTransport transport, String framing) {
        return new Rival(
                "sluice-" + transport.transport() + "-" + framing,
                transport.kind(),
                transport.limit(),
                framing.equals("raw") ? Runtime.JVM : Runtime.JVM_FRAMED,
                List.of("sluice:transport = " + transport.transport() + ", framing = " + framing + ", "
                        + transport.settings()));
    }
}
