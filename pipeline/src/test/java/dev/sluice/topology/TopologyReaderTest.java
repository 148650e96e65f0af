// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.typesafe.config.ConfigFactory;
import dev.sluice.device.DriverDevice;
import dev.sluice.device.ReplayDevice;
import dev.sluice.device.SimulatedDevice;
import dev.sluice.filter.Problems;
import dev.sluice.linux.Libc;
import dev.sluice.transport.RotatingFile;
import dev.sluice.transport.TransportChoice;
import dev.sluice.transport.Transports;
import dev.sluice.wire.Delivery;
import dev.sluice.wire.Framing;
import dev.sluice.wire.KeyFile;
import dev.sluice.wire.Session;
import dev.sluice.wire.TlsFiles;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TopologyReaderTest {

    private static final String SOURCE = "a { type = simulated }";
    private static final String SINK = "out { type = tcp, from = a, connect = \"host:7000\" }";
    private static final String CYCLE = "v { type = window, from = w, length = 1, every = 1 }\n"
            + "    w { type = window, from = v, length = 1, every = 1 }";

    private static final int SOURCES_LINE = 3;
    private static final int FILTERS_LINE = 6;
    private static final int SINKS_LINE = 9;

    @TempDir
    private Path folder;

    private static String file(String sources, String filters, String sinks) {
        return "sluice {\n  sources {\n    " + sources + "\n  }\n  filters {\n    " + filters + "\n  }\n  sinks {\n    "
                + sinks + "\n  }\n}\n";
    }

    private static String file(String sources, String sinks) {
        return file(sources, "", sinks);
    }

    private Path write(String text) throws IOException {
        return Files.writeString(folder.resolve("a.conf"), text);
    }

    private Topology valid(String text) throws IOException {
        TopologyReader.Result result = TopologyReader.read(write(text));
        assertThat(result).isInstanceOf(TopologyReader.Valid.class);
        return ((TopologyReader.Valid) result).topology();
    }

    private static List<Problems.Problem> found(TopologyReader.Result result) {
        assertThat(result).isInstanceOf(TopologyReader.Invalid.class);
        return ((TopologyReader.Invalid) result).problems();
    }

    /** Without the file's name and the column: "line: text", or only the text for a problem of the whole file. */
    private static List<String> problems(Path file) {
        List<Problems.Problem> problems = found(TopologyReader.read(file));
        assertThat(problems).isNotEmpty().allSatisfy(problem -> {
            assertThat(problem.file()).isEqualTo(file.toString());
            assertThat(problem.text()).isNotBlank().doesNotContain("\n");
            assertThat(problem.column() > 0).isEqualTo(problem.line() > 0);
        });
        return problems.stream()
                .map(problem -> (problem.line() > 0 ? problem.line() + ": " : "") + problem.text())
                .toList();
    }

    private List<String> problems(String text) throws IOException {
        return problems(write(text));
    }

    private String onlyProblem(String text) throws IOException {
        List<String> problems = problems(text);
        assertThat(problems).hasSize(1);
        return problems.getFirst();
    }

    private void assertOneProblem(String text, int line, String problem) throws IOException {
        assertThat(problems(text)).containsExactly(line + ": " + problem);
    }

    @Test
    void aFileWithEverySettingIsRead() throws Exception {
        Topology topology = valid("""
                sluice {
                  drain-timeout = 3s
                  sources { f { type = replay, path = "/tmp/x", frame-size = 64KiB, loop = true, buffers = 5 } }
                  filters {
                    second { type = window, from = first, offset = 4KiB, length = 1KiB, every = 8KiB }
                    first { type = window, from = f, length = 1, every = 2 }
                  }
                  sinks {
                    out {
                      type = tcp, from = second, connect = "[::1]:7000", framing = raw, transport = zerocopy
                      stream-id = 4, when-full = drop-oldest, queue = 2, zerocopy-threshold = 1KiB, plain-after-copied = 0, send-buffer = 1MiB
                      connect-timeout = 1s, reconnect-min = 10ms, reconnect-max = 20ms, reconnect-jitter = 0.5
                    }
                  }
                }
                """);
        assertThat(topology.drainTimeout()).hasSeconds(3);
        assertThat(replay(topology)).isEqualTo(new ReplayDevice.Settings(Path.of("/tmp/x"), 65536, 5, true));
        assertThat(topology.filters()).extracting(Topology.FilterNode::name).containsExactly("second", "first");
        assertThat(topology.streams("out"))
                .containsExactly(new Topology.Stream(List.of("f", "first", "second", "out")));
        Topology.TcpSink sink = tcp(topology);
        assertThat(sink.input().from()).containsExactly("second");
        assertThat(sink.input().whenFull()).isEqualTo(WhenFull.DROP_OLDEST);
        assertThat(sink.input().queue()).isEqualTo(2);
        assertThat(sink.input().firstStreamId()).isEqualTo(4);
        assertThat(sink)
                .isEqualTo(new Topology.TcpSink(
                        sink.input(),
                        "::1",
                        7000,
                        new Session(
                                Framing.RAW,
                                Delivery.LIVE,
                                false,
                                Duration.ofSeconds(10),
                                Duration.ofSeconds(15),
                                null,
                                null),
                        new Transports.Options(TransportChoice.ZEROCOPY, 1024, 0, false, 1 << 20),
                        Duration.ofSeconds(1),
                        new Topology.Backoff(Duration.ofMillis(10), Duration.ofMillis(20), 0.5)));
    }

    @Test
    void whatIsNotWrittenHasTheDefaultOfTheReference() throws Exception {
        Topology topology = valid(file(SOURCE, SINK));
        assertThat(topology.sources().getFirst())
                .isInstanceOfSatisfying(
                        Topology.Simulated.class,
                        source -> assertThat(source.settings())
                                .isEqualTo(new SimulatedDevice.Settings(1 << 20, 64, 0, 0, 0, 1, false)));
        assertThat(topology.filters()).isEmpty();
        assertThat(topology.drainTimeout()).hasSeconds(5);
        assertThat(tcp(topology).session())
                .isEqualTo(new Session(
                        Framing.SLUICE,
                        Delivery.LIVE,
                        false,
                        Duration.ofSeconds(10),
                        Duration.ofSeconds(15),
                        null,
                        null));
        assertThat(tcp(topology).transport())
                .isEqualTo(
                        new Transports.Options(TransportChoice.AUTO, 10 * 1024, 16, false, Transports.Options.CHOSEN));
        assertThat(topology.pekko().isEmpty()).isTrue();
    }

    @Test
    void everyDefaultIsValid() throws Exception {
        Topology topology = valid(file(
                "a { type = replay, path = x }",
                "w { type = window, from = a, length = 1, every = 1 }",
                SINK.replace("from = a", "from = w")));
        assertThat(replay(topology)).isEqualTo(new ReplayDevice.Settings(Path.of("x"), 1 << 20, 16, false));
        assertThat(topology.filters()).hasSize(1);
    }

    @Test
    void aDriversDeviceAndItsBuffersAreRead() throws Exception {
        assertThat(driver("a { type = driver, device = \"/dev/sluice0\" }"))
                .isEqualTo(new DriverDevice.Settings(Path.of("/dev/sluice0"), 1 << 20, 64, false));
        int odd = 7 * Libc.pageBytes();
        String settings = ", buffer-size = " + odd + ", buffers = 256, keep = true }";
        assertThat(driver("a { type = driver, device = \"/dev/adc\"" + settings))
                .isEqualTo(new DriverDevice.Settings(Path.of("/dev/adc"), odd, 256, true));
    }

    private DriverDevice.Settings driver(String source) throws IOException {
        return ((Topology.Driver) valid(file(source, SINK)).sources().getFirst()).settings();
    }

    private static ReplayDevice.Settings replay(Topology topology) {
        return ((Topology.Replay) topology.sources().getFirst()).settings();
    }

    private static Topology.TcpSink tcp(Topology topology) {
        return (Topology.TcpSink) topology.sinks().getFirst();
    }

    @Test
    void aDriversBufferIsWholePagesOfThisMachine() throws Exception {
        int page = Libc.pageBytes();
        assertThat(problems(file(
                        "a { type = driver, device = \"/dev/sluice0\", buffer-size = " + (page + 8)
                                + ", buffers = 1, rate = 1 }",
                        SINK)))
                .containsExactly(
                        "3: sources.a.buffer-size is " + (page + 8) + "; it must be a multiple of " + page + ", a page",
                        "3: sources.a.buffers is 1; it must be from 2 to 4096",
                        "3: sources.a.rate is not a setting here; known are buffer-size, buffers, device, "
                                + "expected-rate, keep, type");
        assertOneProblem(
                file("a { type = driver, device = \"/dev/sluice0\", buffer-size = " + (page - 1) + " }", SINK),
                SOURCES_LINE,
                "sources.a.buffer-size is " + (page - 1) + "; it must be from " + page + " to 1073741824");
    }

    /** What 300 ms bring fits 3 buffers of 4 KiB to the byte at 40,960 bytes a second, and no byte more. */
    @ParameterizedTest
    @CsvSource({
        "'simulated', 'rate', 40960, ''",
        "'simulated', 'rate', 40961, 'come 12289 at the rate of 40961 a second: write buffers = 4, or'",
        "'driver, device = \"/dev/sluice0\"', 'expected-rate', 40960, ''",
        "'driver, device = \"/dev/sluice0\"', 'expected-rate', 40961, 'come 12289 at the expected-rate of 40961 a second: write buffers = 4, or'",
        "'mapped, protocol = fifo, device = x', 'expected-rate', 40960, ''",
        "'mapped, protocol = fifo, device = x', 'expected-rate', 40961, 'come 12289 at the expected-rate of 40961 a second: write buffers = 4, or'",
        "'simulated', 'rate', 1GB, 'come 300000000 at the rate of 1000000000 a second: write a larger buffer-size, or'",
        "'simulated', 'rate', 9223372036854775807, 'come 2767011611056432743 at the rate of'",
        "'simulated', 'rate', 0, ''",
    })
    void aRingThatDoesNotHoldTheLongestPauseIsAProblemForWhoAskedForIt(
            String type, String rateKey, String rate, String text) throws Exception {
        String page = String.valueOf(Libc.pageBytes());
        assumeThat(page).isEqualTo("4096");
        String source = "a { type = " + type + ", buffer-size = 4KiB, buffers = 3, " + rateKey + " = " + rate + " }";
        String asked = file(source, SINK).replaceFirst("sluice \\{", "sluice { longest-pause = 300ms");
        String notAsked = file(source, SINK).replaceFirst("sluice \\{", "sluice {");
        if (text.isEmpty()) {
            assertThat(valid(asked).warnings()).isEmpty();
            assertThat(valid(notAsked).warnings()).isEmpty();
            return;
        }
        String start = "3: sources.a.buffers is 3, which hold 12288 bytes; in the longest-pause of 300 ms ";
        assertThat(onlyProblem(asked)).startsWith(start + text).endsWith(", or what does not fit is lost");
        Problems.Problem problem = found(TopologyReader.read(write(asked))).getFirst();
        assertThat(problem.column()).isEqualTo(5 + source.indexOf("buffers"));
    }

    @Test
    void aRingThatDoesNotHoldTheDefaultPauseIsAWarning() throws Exception {
        // 150 ms of 10 MB/s are 1.5 MB: 366 buffers of 4 KiB hold 1,499,136 bytes.
        String source = "a { type = simulated, rate = 10MB, buffer-size = 4KiB, buffers = 366 }";
        Problems.Problem warning = valid(file(source, SINK)).warnings().getFirst();
        assertThat(warning.line()).isEqualTo(SOURCES_LINE);
        assertThat(warning.column()).isEqualTo(5 + source.indexOf("buffers"));
        assertThat(warning.text()).contains("longest-pause of 150 ms come 1500000 ", "write buffers = 367");
        assertThat(warning.as("warning")).startsWith(folder + "/a.conf:3:" + warning.column() + ": warning: sources.a");
        assertThat(valid(file(source.replace("366", "367"), SINK)).warnings()).isEmpty();
        assertThat(valid(file(source, SINK).replaceFirst("sluice \\{", "sluice { longest-pause = 0s"))
                        .warnings())
                .isEmpty();
    }

    @Test
    void aRingIsNotJudgedByWhatIsWrong() throws Exception {
        assertThat(problems(file("a { type = simulated, rate = 1GB, buffer-size = 5000, buffers = 1 }", SINK)
                        .replaceFirst("sluice \\{", "sluice { longest-pause = 1s")))
                .containsExactly(
                        "3: sources.a.buffer-size is 5000; it must be a multiple of 4096, a page",
                        "3: sources.a.buffers is 1; it must be from 2 to 4096");
    }

    @Test
    void buffersThatAreNotWrittenAreToldAtTheirSource() throws Exception {
        String text = file("a { type = simulated, rate = 360MB }", SINK)
                .replaceFirst("sluice \\{", "sluice { longest-pause = 200ms");
        assertThat(onlyProblem(text))
                .isEqualTo(
                        "3: sources.a.buffers is 64, which hold 67108864 bytes; in the longest-pause of 200 ms come "
                                + "72000000 at the rate of 360000000 a second: write buffers = 69, or what does not fit is lost");
    }

    @Test
    void theFilesOwnPekkoSectionIsPassedOn() throws Exception {
        Topology topology = valid(file(SOURCE, SINK) + "pekko.loglevel = DEBUG\n");
        assertThat(topology.pekko().getString("pekko.loglevel")).isEqualTo("DEBUG");
    }

    @Test
    void problemsAreAllToldAtOnceInTheOrderOfTheFile() throws Exception {
        List<String> problems = problems("""
                sluice {
                  drain-timout = 3s
                  sources {
                    a { type = simulated, buffer-size = 5000, buffers = 1 }
                  }
                  filters {
                    w { type = windows, from = a }
                  }
                  sinks {
                    out { type = tcp, from = b, conect = "host:7000" }
                  }
                }
                """);
        String[] starts = {
            "2: sluice.drain-timout is not a setting here",
            "4: sources.a.buffer-size is 5000; it must be a",
            "4: sources.a.buffers is 1; it must be from 2",
            "7: filters.w.type is \"windows\"",
            "10: sinks.out has no connect; write connect = ",
            "10: sinks.out.from is \"b\", which is no source",
            "10: sinks.out.conect is not a setting here"
        };
        assertThat(problems).hasSameSizeAs(starts);
        for (int i = 0; i < starts.length; i++) {
            assertThat(problems.get(i)).startsWith(starts[i]);
        }
    }

    /** In the text, ^ stands before each place that is to be pointed at, and is taken out. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "sluice {\n  ^drain-timout = 3s\n  sources { a { type = simulated } }\n"
                        + "  sinks { out { type = tcp, from = ^b, connect = \"h:1\" } }\n}",
                "sluice {\n  sources { a { ^bufers = 1, type = simulated }, ^b { type = ^simulatd } }\n"
                        + "  sinks { out { type = tcp, from = a, ^connect = \"\", framing = ^\"rwa\" } }\n}",
                "sluice {\n  sources {\n    a {\n      type = ^replai\n    }\n    ^b { }\n  }\n"
                        + "  sinks { ^out {\n    type = tcp\n    from = [a, b] } }\n}",
                "{\"sluice\": {\"sources\": {\"a\": {\"type\": ^\"simulatd\"}},\n"
                        + "\"sinks\": {\"out\": {\"type\": \"tcp\", \"from\": ^\"aa\", ^\"connect\": \"a\"}}}}",
                "^slice { }\n^sluice {\n  ^sources = 3\n  sinks { ^out = 4 }\n}",
                "sluice {\n  sources { a { type = simulated } }\n  sinks { ^a { type = tcp, from = a,\n"
                        + "    connect = \"h:1\" } }\n}",
                "sluice {\n  sources { a { type = replay, path = ^${no.such.key} } }\n}",
                "sluice {\n  sources { a { type = simulated }\n    ^b { type = simulated } }\n"
                        + "  sinks { out { type = tcp, from = a, connect = \"h:1\" } }\n}",
            })
    void everyProblemPointsAtWhatIsToBeMended(String marked) throws Exception {
        List<String> places = new ArrayList<>();
        for (int at = marked.indexOf('^'); at >= 0; at = marked.indexOf('^', at + 1)) {
            String before = marked.substring(0, at).replace("^", "");
            places.add(before.split("\n", -1).length + ":" + (before.length() - before.lastIndexOf('\n')));
        }
        assertThat(found(TopologyReader.read(write(marked.replace("^", "")))))
                .extracting(problem -> problem.line() + ":" + problem.column())
                .containsExactlyElementsOf(places);
    }

    @Test
    void anUnknownKeyGetsASuggestion() throws Exception {
        assertThat(onlyProblem(file("a { type = simulated, bufers = 4 }", SINK)))
                .startsWith(SOURCES_LINE + ": sources.a.bufers is not a setting here; known are buffer-size, buffers, ")
                .endsWith("(did you mean \"buffers\"?)");
        assertThat(onlyProblem("slice { }\n" + file(SOURCE, SINK)))
                .isEqualTo("1: slice is not a section; a topology file has \"sluice\" (and may have \"pekko\")"
                        + " (did you mean \"sluice\"?)");
        assertThat(onlyProblem(file(SOURCE, SINK).replace("filters", "filter")))
                .startsWith("5: sluice.filter is not a setting here")
                .endsWith("(did you mean \"filters\"?)");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "buffer-size = 5000 | is 5000; it must be a multiple of 4096, a page",
                "buffer-size = 4095 | is 4095; it must be from 4096 to 1073741824",
                "buffer-size = 2GiB | is 2147483648; it must be from 4096 to 1073741824",
                "buffer-size = -4096 | is -4096; it must be from 4096 to 1073741824",
                "buffer-size = -4KiB | is \"-4KiB\", which is not a size such as 4096, 4KiB or 1MB",
                "buffer-size = 9999999999TiB | is \"9999999999TiB\", which is not a size such as 4096, 4KiB or 1MB",
                "buffer-size = large | is \"large\", which is not a size such as 4096, 4KiB or 1MB",
                "buffer-size = [4096] | is [4096], which is not a size such as 4096, 4KiB or 1MB",
                "buffer-size = { a = 1 } | is {\"a\":1}, which is not a size such as 4096, 4KiB or 1MB",
                "buffers = 4097 | is 4097; it must be from 2 to 4096",
                "buffers = 4.5 | is 4.5, which is not a whole number",
                "rate = -1 | is -1; it must be at least 0",
                "short-frames = 1.1 | is 1.1; it must be from 0.0 to 1.0",
                "seed = x | is \"x\", which is not a whole number",
                "poison = maybe | is \"maybe\", which is not true or false",
            })
    void aWrongValueIsNamedWithWhatToWrite(String setting, String problem) throws Exception {
        String key = setting.substring(0, setting.indexOf(' '));
        assertOneProblem(
                file("a { type = simulated, " + setting + " }", SINK),
                SOURCES_LINE,
                "sources.a." + key + " " + problem);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "host | is \"host\"; write \"host:port\" with a port from 1 to 65535",
                "\"host:0\" | is \"host:0\"; write \"host:port\" with a port from 1 to 65535",
                "\"host:65536\" | is \"host:65536\"; write \"host:port\" with a port from 1 to 65535",
                "\"::1:70\" | is \"::1:70\"; write \"host:port\" with a port from 1 to 65535",
                "7000 | is \"7000\"; write \"host:port\" with a port from 1 to 65535",
                "\"\" | is empty",
            })
    void aWrongAddressIsNamedWithTheForm(String address, String problem) throws Exception {
        assertOneProblem(
                file(SOURCE, "out { type = tcp, from = a, connect = " + address + " }"),
                SINKS_LINE,
                "sinks.out.connect " + problem);
    }

    @Test
    void aSinkSaysWhatIsWrongWithItsTimesAndWords() throws Exception {
        String wrong =
                ", framing = sluce, transport = fast, reconnect-min = 2s, reconnect-max = 1s, connect-timeout = 0 }";
        assertThat(problems(file(SOURCE, SINK.replace(" }", wrong))))
                .containsExactlyInAnyOrder(
                        "9: sinks.out.framing is \"sluce\"; write one of raw, sluice (did you mean \"sluice\"?)",
                        "9: sinks.out.transport is \"fast\"; write one of auto, copy, zerocopy, uring, splice",
                        "9: sinks.out.reconnect-max is shorter than reconnect-min",
                        "9: sinks.out.connect-timeout is 0 ms; it must be at least 1 ms");
    }

    @ParameterizedTest
    @CsvSource({
        "'a { }', 'sources.a has no type; write one of driver, mapped, replay, simulated'",
        "a { type = null }, 'sources.a has no type; write one of driver, mapped, replay, simulated'",
        "a { type = replay }, sources.a has no path; write path = text",
        "a { type = driver }, sources.a has no device; write device = text",
        "'a { type = driver, device = \"\" }', sources.a.device is empty",
        "'a { type = driver, device = \"x\\u0000\" }', sources.a.device is not a path: Nul character not allowed",
        "'a { type = replay, path = \"x\\u0000\" }', sources.a.path is not a path: Nul character not allowed",
    })
    void aSourceThatLacksSomethingIsOneProblem(String source, String problem) throws Exception {
        assertOneProblem(file(source, SINK), SOURCES_LINE, problem);
    }

    @ParameterizedTest
    @CsvSource({
        "'type = tcp, connect = \"host:7000\"', sinks.out has no from; write from = a text or a list of texts",
        "'type = tcp, from = a', 'sinks.out has no connect; write connect = \"host:port\" where a receiver listens, or "
                + "listen = \"address:port\" for receivers to connect to'",
        "'type = tcp, from = {}, connect = \"host:7000\"', 'sinks.out.from is {}, which is not a text or a list of texts'",
        "'type = tcp, from = [], connect = \"host:7000\"', sinks.out.from is empty",
        "'type = tcp, from = [a, a], connect = \"host:7000\"', sinks.out.from names \"a\" twice",
        "'from = a', 'sinks.out has no type; write one of discard, file, tcp'",
    })
    void aSinkThatLacksSomethingIsOneProblem(String settings, String problem) throws Exception {
        assertOneProblem(file(SOURCE, "out { " + settings + " }"), SINKS_LINE, problem);
    }

    @Test
    void aListeningSinkIsReadWithItsDefaults() throws Exception {
        Topology.ListenSink sink = listening("listen = \"127.0.0.1:7000\"");
        assertThat(sink.address().getHostAddress()).isEqualTo("127.0.0.1");
        assertThat(sink.port()).isEqualTo(7000);
        assertThat(sink.receivers()).isEqualTo(1);
        assertThat(sink.session().framing()).isEqualTo(Framing.SLUICE);
        assertThat(sink.transport())
                .isEqualTo(
                        new Transports.Options(TransportChoice.AUTO, 10 * 1024, 16, false, Transports.Options.CHOSEN));
        assertThat(sink.allows(InetAddress.ofLiteral("::1"))).isTrue();
        assertThat(sink.allows(InetAddress.ofLiteral("192.0.2.1"))).isFalse();
    }

    @Test
    void whoMayConnectIsRead() throws Exception {
        Topology.ListenSink sink =
                listening("listen = \"[::]:0\", receivers = 64, allow = [\"192.0.2.0/24\", \"2001:db8::7\"]");
        assertThat(sink.receivers()).isEqualTo(64);
        assertThat(sink.allows(InetAddress.ofLiteral("192.0.2.77"))).isTrue();
        assertThat(sink.allows(InetAddress.ofLiteral("2001:db8::7"))).isTrue();
        assertThat(sink.allows(InetAddress.ofLiteral("127.0.0.1"))).isFalse();
        assertThat(listening("listen = \"192.0.2.1:1\", allow = \"192.0.2.0/24\"")
                        .allow())
                .containsExactly(Cidr.parse("192.0.2.0/24"));
    }

    @Test
    void whatReceiversMustHaveIsRead() throws Exception {
        assertThat(listening("listen = \"127.0.0.1:1\", auth { key-file = \"/etc/sluice/key\" }")
                        .session()
                        .key())
                .isEqualTo(new KeyFile(Path.of("/etc/sluice/key")));
        assertThat(tcp(valid(file(SOURCE, SINK))).session().key()).isNull();
        assertThat(listening("listen = \"127.0.0.1:1\", auth = null").session().key())
                .isNull();
    }

    @Test
    void filesAreIncludedAlsoByAName() throws Exception {
        Files.writeString(folder.resolve("sources.conf"), "{ " + SOURCE + " }");
        Files.writeString(folder.resolve("sinks.conf"), "{ " + SINK + " }");
        assertThat(valid("sluice { sources { include \"sources\" }, sinks { include file(\"" + folder
                                + "/sinks.conf\") } }")
                        .sinks())
                .hasSize(1);
    }

    @Test
    void onlyFilesWithAnEndingAreIncludedAndOnlyFromWhereTheyAre() throws Exception {
        Files.createDirectory(folder.resolve("parts"));
        Files.writeString(folder.resolve("parts.conf"), "sluice { sources { " + SOURCE + " } }");
        Files.writeString(
                folder.resolve("parts.json"),
                "{\"sluice\": {\"sinks\": {\"other\": {\"type\": \"discard\", \"from\": \"a\"}}}}");
        // reference.conf is on the classpath, and would bring settings that nobody asked for.
        assertThat(valid("include \"parts\"\ninclude \"reference.conf\"\nsluice { sinks { " + SINK + " } }")
                        .sinks())
                .hasSize(2);
        assertThat(problems("include required(\"reference.conf\")"))
                .singleElement()
                .asString()
                .contains("reference.conf, which is to be included, is not there");
    }

    /** What could have no end, or make the text too long, is told and not read. */
    @Test
    @Timeout(20)
    void whatNobodyCanHaveMeantToIncludeIsAProblem() throws Exception {
        Files.write(folder.resolve("large.conf"), new byte[(1 << 20) + 1]);
        Files.write(folder.resolve("binary.conf"), new byte[] {'a', (byte) 0xff});
        Files.createSymbolicLink(folder.resolve("zero.conf"), Path.of("/dev/zero"));
        for (String name : List.of("zero", "zero.conf")) {
            String why = folder.resolve("zero.conf") + " is not a regular file";
            assertIncludeRefused("\"" + name + "\"", why);
            assertIncludeRefused("file(\"" + folder.resolve(name) + "\")", why);
        }
        for (String include : List.of("\"large\"", "file(\"" + folder.resolve("large") + "\")")) {
            assertIncludeRefused(include, folder.resolve("large.conf") + " is larger than 1048576 bytes");
        }
        assertIncludeRefused("\"binary\"", folder.resolve("binary.conf") + " is not UTF-8 text");
        assertIncludeRefused("\"file:///dev/zero\"", "only files can be included, and file:///dev/zero is none");
        assertIncludeRefused("\"http://127.0.0.1:1/x.conf\"", "only files can be included");
        assertIncludeRefused("file(\"nothing\\u0000.conf\")", "is no name of a file");
        assertIncludeRefused("url(\"file:///dev/zero\")", "only files can be included, and file:/dev/zero is none");
        assertIncludeRefused("classpath(\"reference.conf\")", "only files can be included");
        // Each includes the next one twice.
        for (int i = 0; i < 40; i++) {
            String next = "include \"f" + (i + 1) + ".conf\"\n";
            Files.writeString(folder.resolve("f" + i + ".conf"), next + next);
        }
        assertIncludeRefused("\"f0\"", "is included after 100 others");
        for (int i = 0; i < 40; i++) {
            String next = "include file(\"" + folder.resolve("f" + (i + 1)) + "\")\n";
            Files.writeString(folder.resolve("f" + i + ".conf"), next + next);
        }
        assertIncludeRefused("\"f0\"", "is included after 100 others");
        Files.writeString(folder.resolve("half.conf"), "#".repeat(600_000));
        assertIncludeRefused("\"half\"\ninclude \"half\"", "larger than 1048576 bytes together");
        // Each doubles what the one before says.
        StringBuilder all = new StringBuilder("x0 = aaaaaaaaaa\n");
        for (int i = 1; i < 60; i++) {
            Files.writeString(
                    folder.resolve("g" + i + ".conf"), "x" + i + " = ${x" + (i - 1) + "}${x" + (i - 1) + "}\n");
            all.append("include \"g").append(i).append("\"\n");
        }
        assertThat(problems(all.toString())).anyMatch(problem -> problem.contains("makes the text too long"));
        // The same, inside sections.
        StringBuilder inside = new StringBuilder("o0 = aaaaaaaaaa\n");
        for (int i = 1; i < 60; i++) {
            String before = i == 1 ? "${o0}" : "${o" + (i - 1) + ".a}";
            Files.writeString(folder.resolve("p" + i + ".conf"), "a = " + before + before + "\n");
            inside.append("o").append(i).append(" { include \"p").append(i).append("\" }\n");
        }
        assertThat(problems(inside.toString())).anyMatch(problem -> problem.contains("makes the text too long"));
        assertThat(problems(Files.write(folder.resolve("a.conf"), new byte[(1 << 20) + 1])))
                .containsExactly("is larger than 1048576 bytes: is it the right file?");
    }

    private void assertIncludeRefused(String what, String why) throws IOException {
        assertThat(problems("include " + what)).singleElement().asString().contains(why);
    }

    @Test
    void whatEncryptsAConnectionIsRead() throws Exception {
        assertThat(listening("listen = \"127.0.0.1:1\", tls { certificate = c, private-key = k }")
                        .session()
                        .tls())
                .isEqualTo(new TlsFiles(Path.of("c"), Path.of("k"), null));
        assertThat(tcp(valid(file(SOURCE, "d { type = tcp, from = a, connect = \"h:1\", tls { trust = t } }")))
                        .session()
                        .tls())
                .isEqualTo(new TlsFiles(null, null, Path.of("t")));
        // A time limit for the handshake means something then, whatever the framing.
        valid(file(
                SOURCE,
                "d { type = tcp, from = a, connect = \"h:1\", framing = raw, handshake-timeout = 1s, tls.trust = t }"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "connect = \"h:1\", tls {}                           | tls has no trust = \"FILE\", in PEM format",
                "connect = \"h:1\", tls { trust = t, certificate = c } | tls has no private-key = \"FILE\", in PEM format",
                "connect = \"h:1\", tls { trust = t, private-key = c } | tls has no certificate = \"FILE\", in PEM format",
                "listen = \"127.0.0.1:1\", tls { trust = t }          | tls has no certificate = \"FILE\", in PEM format",
                "connect = \"h:1\", tls { trust = t, cipher = x }     | tls.cipher",
                "connect = \"h:1\", tls = x                          | tls",
                "connect = \"h:1\", transport = zerocopy, tls.trust = t | encrypts, which copies",
            })
    void tlsThatIsNotWholeOrMakesNoSenseIsAProblem(String settings, String what) throws IOException {
        assertThat(problems(file(SOURCE, "d { type = tcp, from = a, " + settings + " }")))
                .singleElement()
                .asString()
                .contains(what);
    }

    @Test
    void anAuthWithoutAKeyIsAProblem() throws Exception {
        assertOneProblem(
                file(SOURCE, "out { type = tcp, from = a, connect = \"h:1\", auth { } }"),
                SINKS_LINE,
                "sinks.out.auth has no key-file; write key-file = text");
    }

    private Topology.ListenSink listening(String settings) throws IOException {
        return (Topology.ListenSink) valid(file(SOURCE, "out { type = tcp, from = a, " + settings + " }"))
                .sinks()
                .getFirst();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "connect = \"h:1\", listen = \"127.0.0.1:1\" | listen is there besides connect; write one of them",
                "connect = \"h:1\", allow = \"127.0.0.1\" | allow is only for a sink with listen; leave it out",
                "connect = \"h:1\", receivers = 2 | receivers is only for a sink with listen; leave it out",
                "listen = \"127.0.0.1:1\", connect-timeout = 1s | connect-timeout is only for a sink with connect; leave "
                        + "it out",
                "listen = \"127.0.0.1:1\", receivers = 0 | receivers is 0; it must be from 1 to 64",
                "listen = \"127.0.0.1:1\", receivers = 65 | receivers is 65; it must be from 1 to 64",
                "listen = \"127.0.0.1:1\", allow = [] | allow is empty",
                "listen = \"0.0.0.0:1\", allow = \"host\" | allow is \"host\"; write an address such as 192.0.2.1 or "
                        + "2001:db8::1, or a network such as 192.0.2.0/24 or 2001:db8::/32",
                "listen = \"0.0.0.0:1\", allow = [\"10.0.0.0/8\", \"10.1.2.3/8\"] | allow is \"10.1.2.3/8\", which has "
                        + "bits set below its prefix; write 10.0.0.0/8, or 10.1.2.3 for that address alone",
                "listen = \"0.0.0.0:1\" | listen is \"0.0.0.0:1\", which others can reach: name who may connect, allow = "
                        + "[\"192.0.2.0/24\"]",
                "listen = \"[2001:db8::1]:1\" | listen is \"[2001:db8::1]:1\", which others can reach: name who may "
                        + "connect, allow = [\"192.0.2.0/24\"]",
                "listen = \"host:1\" | listen is \"host:1\"; write \"address:port\" with an address of this machine, such "
                        + "as 127.0.0.1:7000 or [::1]:7000, or 0.0.0.0:7000 for all that it has",
                "listen = 7000 | listen is \"7000\"; write \"address:port\" with an address of this machine, such as "
                        + "127.0.0.1:7000 or [::1]:7000, or 0.0.0.0:7000 for all that it has",
                "listen = \"\" | listen is empty",
                "connect = \"h:1\", auth = key | auth is no section; write auth { … }",
                "connect = \"h:1\", auth.key-file = \"\" | auth.key-file is empty",
                "connect = \"h:1\", auth { key-file = x, keyfile = x } | auth.keyfile is not a setting here; known are "
                        + "key-file (did you mean \"key-file\"?)",
                "connect = \"h:1\", framing = raw, auth { key-file = x } | auth is only for framing = sluice; leave it out",
            })
    void whatIsWrongWithAListeningSinkIsOneProblem(String settings, String problem) throws Exception {
        assertOneProblem(
                file(SOURCE, "out { type = tcp, from = a, " + settings + " }"), SINKS_LINE, "sinks.out." + problem);
    }

    @Test
    void aFileSinkIsReadWithItsDefaults() throws Exception {
        assertThat(fileSink("path = \"/data/adc.raw\""))
                .isEqualTo(new RotatingFile.Settings(
                        Path.of("/data/adc.raw"), true, 0, Duration.ZERO, RotatingFile.Existing.APPEND));
        assertThat(fileSink("path = x, direct = false, rotate-size = 1GiB, rotate-after = 1 hour, existing = refuse"))
                .isEqualTo(new RotatingFile.Settings(
                        Path.of("x"), false, 1 << 30, Duration.ofHours(1), RotatingFile.Existing.REFUSE));
    }

    private RotatingFile.Settings fileSink(String settings) throws IOException {
        Topology.FileSink sink =
                (Topology.FileSink) valid(file(SOURCE, "disk { type = file, from = a, " + settings + " }"))
                        .sinks()
                        .getFirst();
        assertThat(sink.framing()).isEqualTo(Framing.RAW);
        assertThat(sink.input().whenFull()).isEqualTo(WhenFull.BLOCK);
        return sink.file();
    }

    @Test
    void aFileSinkSaysWhatIsWrongWithIt() throws Exception {
        assertThat(problems(file(
                        SOURCE, "disk { type = file, from = a, existing = overwrite, rotate-size = -1, direct = 2 }")))
                .containsExactlyInAnyOrder(
                        "9: sinks.disk has no path; write path = text",
                        "9: sinks.disk.existing is \"overwrite\"; write one of append, replace, refuse",
                        "9: sinks.disk.rotate-size is -1; it must be at least 0",
                        "9: sinks.disk.direct is 2, which is not true or false");
    }

    @Test
    void oneFileIsWrittenOnceAndNotReplayedMeanwhile() throws Exception {
        String twice =
                "d { type = file, from = a, path = \"/tmp/x\" }\n e { type = file, from = a, path = \"/tmp/./x\" }";
        assertThat(onlyProblem(file(SOURCE, twice))).endsWith("sinks.e.path is the file of sinks.d; name another one");
        assertThat(onlyProblem(file(
                        "a { type = replay, path = \"/tmp/x\" }", "d { type = file, from = a, path = \"/tmp/x\" }")))
                .endsWith("sinks.d.path is the file of sources.a; name another one");
    }

    @Test
    void aFromThatIsNotThereGetsASuggestion() throws Exception {
        assertOneProblem(
                file("adc { type = simulated }", SINK.replace("from = a", "from = acd")),
                SINKS_LINE,
                "sinks.out.from is \"acd\", which is no source or filter here; there are adc (did you mean \"adc\"?)");
    }

    @ParameterizedTest
    @CsvSource({
        "w, filters.w.from is the node itself",
        "out, 'filters.w.from is \"out\", which is no source or filter here; there are a'"
    })
    void aFilterCannotTakeFromItselfOrASink(String from, String problem) throws Exception {
        String filter = "w { type = window, from = " + from + ", length = 1, every = 1 }";
        assertOneProblem(file(SOURCE, filter, SINK.replace("from = a", "from = w")), FILTERS_LINE, problem);
    }

    @Test
    void aCycleOnTheWayToTheSinkIsAProblem() throws Exception {
        assertThat(problems(file(SOURCE, CYCLE, SINK.replace("from = a", "from = v"))))
                .satisfiesExactly(
                        problem -> assertThat(problem).startsWith("3: sources.a is not used"),
                        problem -> assertThat(problem)
                                .isEqualTo("7: these take frames from each other in a circle: w → v → w; one of them "
                                        + "must take from a source"));
    }

    @Test
    void aCycleBesideTheWayIsOneProblem() throws Exception {
        assertThat(onlyProblem(file(SOURCE, CYCLE, SINK))).startsWith("7: these take frames from each other");
    }

    @Test
    void aNodeThatNoSinkTakesFromIsAProblem() throws Exception {
        assertThat(onlyProblem(file(SOURCE + "\n    b { type = simulated }", SINK)))
                .isEqualTo("4: sources.b is not used: no sink takes its frames; name it in a \"from\" or leave it out");
        String unused = "w { type = window, from = a, length = 1, every = 1 }";
        assertThat(onlyProblem(file(SOURCE, unused, SINK))).startsWith("6: filters.w is not used");
    }

    @Test
    void whatIsNotJoinedIsPipelinesOfTheirOwn() throws Exception {
        Topology topology = valid(file(
                SOURCE + "\n b { type = simulated }\n c { type = simulated }",
                SINK + "\n second { type = discard, from = [b, c] }\n third { type = discard, from = a }"));
        assertThat(topology.pipelines())
                .satisfiesExactly(
                        first -> assertThat(first.from().keySet()).containsExactly("a", "out", "third"),
                        second -> assertThat(second.from().keySet()).containsExactly("b", "c", "second"));
    }

    /** Two ways lead through each of the diamonds. */
    @Test
    void moreStreamsThanASinkCanTellApartAreAProblem() throws Exception {
        StringBuilder filters = new StringBuilder();
        String end = "a";
        for (int diamond = 0; diamond < 40; diamond++) {
            for (String side : List.of("l", "r")) {
                filters.append(side + diamond + " { type = window, length = 1, every = 1, from = " + end + " }\n");
            }
            filters.append("j" + diamond + " { type = window, length = 1, every = 1, from = [l" + diamond + ", r"
                    + diamond + "] }\n");
            end = "j" + diamond;
        }
        assertThat(onlyProblem(file(SOURCE, filters.toString(), SINK.replace("from = a", "from = " + end))))
                .contains("sinks.out is sent more than 64 streams");
    }

    @Test
    void theThresholdAndTheSendBufferMayBeChosenBySluice() throws Exception {
        String sink = "out { type = tcp, from = a, connect = \"h:1\", zerocopy-threshold = auto, send-buffer = %s }";
        assertThat(tcp(valid(file(SOURCE, sink.formatted("auto")))).transport().thresholdBytes())
                .isEqualTo(Transports.Options.MEASURED);
        assertThat(tcp(valid(file(SOURCE, sink.formatted("0")))).transport().sendBufferBytes())
                .isZero();
        assertThat(onlyProblem(file(SOURCE, sink.formatted("car"))))
                .contains("sinks.out.send-buffer is \"car\", which is not auto, or a size such as 4096, 4KiB or 1MB");
    }

    @Test
    void aQueueThatWouldHoldTheWholeRingIsAProblem() throws Exception {
        String sink = "out { type = discard, from = a, when-full = drop-newest, queue = 5 }";
        valid(file("a { type = simulated, buffers = 10 }", sink));
        assertOneProblem(
                file("a { type = simulated, buffers = 9 }", sink),
                SINKS_LINE,
                "sinks.out.queue is 5, more than half of the 9 buffers of sources.a: with all of them waiting here too "
                        + "few would be left for the others");
        valid(file("a { type = simulated, buffers = 2 }", sink.replace("drop-newest", "block")));
    }

    /** On this machine the receiver's queue would refer to memory that is written again. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "simulated                         | framing = sluice                    | false",
                "simulated                         | framing = raw                       | false",
                "simulated                         | delivery = resume                   | true",
                "driver, device = \"/dev/sluice0\" | framing = raw                       | true",
                "replay, path = \"/f\"             | framing = raw                       | true",
                "replay, path = \"/f\"             | delivery = live, framing = sluice   | true"
            })
    void spliceIsOnlyForWhatIsReleasedOnOtherProof(String source, String settings, boolean safe) throws Exception {
        String text = file(
                "a { type = " + source + " }",
                "out { type = tcp, from = a, connect = \"h:1\", transport = splice, " + settings + " }");
        if (safe) {
            valid(text);
        } else {
            assertThat(onlyProblem(text))
                    .contains(
                            "sinks.out.transport is splice, which never says when the kernel is done with a buffer of "
                                    + "sources.a: write delivery = resume");
        }
    }

    @Test
    void aNameIsUsedOnceInAllSections() throws Exception {
        assertThat(problems(file(SOURCE, SINK.replace("out {", "a {"))))
                .contains("9: sinks.a has the name of another node (line 3): every node needs a name of its own");
    }

    @ParameterizedTest
    @ValueSource(strings = {"sluice = 3", "sluice = text", "sluice = [1]"})
    void aSluiceThatIsNoSectionIsOneProblem(String text) throws Exception {
        assertThat(onlyProblem(text)).startsWith("1: sluice is ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"pekko = 3", "pekko = [1]"})
    void aPekkoThatIsNoSectionIsAProblem(String text) throws Exception {
        assertThat(onlyProblem(file(SOURCE, SINK) + text)).startsWith("12: pekko is ");
    }

    @Test
    void aSectionOrNodeThatIsNoneIsAProblem() throws Exception {
        assertThat(problems("sluice {\n  sources = 3\n  sinks { out = 4 }\n}\n"))
                .contains(
                        "2: sources is 3; it must be a section: sources { … }",
                        "3: out is 4; it must be a section: out { … }");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "# nothing\n", "{}"})
    void aFileWithoutASluiceSectionSaysWhatToWrite(String text) throws Exception {
        assertThat(onlyProblem(text))
                .isEqualTo("has no section \"sluice\": write sluice { sources { … } sinks { … } }");
    }

    @Test
    void anEmptySluiceSectionLacksASourceAndASink() throws Exception {
        assertThat(problems("sluice {}"))
                .satisfiesExactlyInAnyOrder(
                        problem -> assertThat(problem).startsWith("1: there is no source: write sources {"),
                        problem -> assertThat(problem).startsWith("1: there is no sink: write sinks {"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "sluice {\n  sources {\n",
                "sluice {\n  sources { a = } \n}\n",
                "sluice {\n  \"a\n",
                "sluice {\n  ]\n}"
            })
    void aSyntaxErrorIsAProblemWithItsLine(String text) throws Exception {
        assertThat(onlyProblem(text)).matches("[1-4]: .+");
    }

    @Test
    void aSubstitutionThatCannotBeResolvedIsAProblemWithItsLine() throws Exception {
        assertThat(onlyProblem(file("a { type = replay, path = ${no.such.key} }", SINK)))
                .startsWith(SOURCES_LINE + ": ")
                .contains("${no.such.key}");
    }

    @Test
    void anIncludeThatIsRequiredAndMissingIsAProblem() throws Exception {
        Path missing = folder.resolve("none.conf");
        Path file = write("include required(file(\"" + missing + "\"))\n");
        assertThat(found(TopologyReader.read(file)))
                .singleElement()
                .asString()
                .contains(missing + ", which is to be included, is not there");
    }

    @Test
    void aProblemInAnIncludedFileIsNamedWithThatFile() throws Exception {
        Path included = Files.writeString(folder.resolve("nodes.conf"), "\n\nsluice.sources.a.bufers = 4\n");
        Path file = write("include \"nodes.conf\"\n" + file(SOURCE, SINK));
        assertThat(found(TopologyReader.read(file)))
                .singleElement()
                .asString()
                .startsWith(included + ":3:18: sources.a.bufers is not a setting here");
    }

    @Test
    void aMissingFileOrAFolderIsAProblemOfTheWholeFile() {
        assertThat(problems(folder.resolve("none.conf"))).containsExactly("does not exist");
        assertThat(problems(folder)).containsExactly("is not a file that can be read");
    }

    @Test
    void aBinaryFileIsAProblem() throws Exception {
        byte[] binary = new byte[4096];
        for (int at = 0; at < binary.length; at++) {
            binary[at] = (byte) (at * 7);
        }
        assertThat(problems(Files.write(folder.resolve("a.conf"), binary))).hasSize(1);
    }

    /** Read as UTF-8 all the same, its path would be another one. */
    @Test
    void aFileThatIsNotUtf8IsAProblem() throws Exception {
        String text = file("a { type = replay, path = \"/data/Größe\" }", SINK);
        Path file = Files.write(folder.resolve("a.conf"), text.getBytes(StandardCharsets.ISO_8859_1));
        assertThat(problems(file)).hasSize(1);
    }

    @Test
    void aTextIsNamedAsItsCallerSays() {
        assertThat(found(TopologyReader.read("sluice {\n  sorces {}\n}", "the demo")))
                .anySatisfy(problem ->
                        assertThat(problem.toString()).startsWith("the demo:2:3: sluice.sorces is not a setting"));
    }

    /** A key shares the comment of the key above it if nothing is between them. */
    @Test
    void everyKeyOfTheReferenceIsDocumented() throws Exception {
        List<String> lines;
        try (InputStream reference = TopologyReader.class.getResourceAsStream("/reference.conf")) {
            lines = new String(reference.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .map(String::strip)
                    .toList();
        }
        int keys = 0;
        boolean documented = false;
        for (String line : lines) {
            boolean key = line.matches("[a-z-]+ = .*");
            assertThat(documented || !key).as("a comment above %s", line).isTrue();
            documented = line.startsWith("#") || (key && documented);
            keys += key ? 1 : 0;
        }
        assertThat(keys)
                .isEqualTo(ConfigFactory.parseResources(TopologyReader.class.getClassLoader(), "reference.conf")
                        .getConfig("sluice")
                        .entrySet()
                        .size());
    }

    @Test
    void whatIsNestedTooDeeplyIsAProblem() throws IOException {
        assertThat(problems(write("x = " + "[".repeat(100_000))))
                .containsExactly("has sections, lists or keys that are nested too deeply to be read");
    }

    @ParameterizedTest
    @ValueSource(strings = {"${v%1$d}${v%1$d}", "[${v%1$d}, ${v%1$d}]", "{ p = ${v%1$d}, q = ${v%1$d} }"})
    void substitutionsThatMultiplyAreAProblemBeforeTheyArePutIn(String twice) throws IOException {
        StringBuilder text = new StringBuilder("v0 = [1]\n");
        for (int i = 0; i < 40; i++) {
            text.append("v")
                    .append(i + 1)
                    .append(" = ")
                    .append(String.format(twice, i))
                    .append('\n');
        }
        assertThat(problems(write(text.toString()))).singleElement().asString().contains("makes the text too long");
    }

    @Test
    void aValueThatIsDoubledAgainAndAgainIsAProblemToo() throws IOException {
        assertThat(problems(write("a = x\n" + "a = ${a}${a}\n".repeat(40))))
                .singleElement()
                .asString()
                .contains("makes the text too long");
    }

    @Test
    void substitutionsThatDoNotMultiplyAreFineHoweverMany() throws IOException {
        StringBuilder sinks = new StringBuilder();
        for (int i = 0; i < 50; i++) {
            sinks.append("s")
                    .append(i)
                    .append(" { type = tcp, from = a, connect = ${pekko.host}\":\"${pekko.port} }\n");
        }
        valid("pekko { host = localhost, port = 7000 }\n" + file(SOURCE, sinks.toString()));
    }

    @Test
    void aKeyOfSeveralLinesIsToldInOne() throws IOException {
        assertThat(problems(write(file(SOURCE, SINK) + "sluice.\"a\\nb\" = 1\n")))
                .singleElement()
                .asString()
                .contains("sluice.a\\u000ab is not a setting here");
    }

    @Test
    void aSizeWithAnExponentIsRefusedWithoutItsDigits() throws IOException {
        assertThat(problems(write(file("a { type = simulated, buffer-size = 1e999999999MiB }", SINK))))
                .singleElement()
                .asString()
                .contains("which is not a size such as 4096");
    }
}
