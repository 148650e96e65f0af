// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import dev.sluice.receive.Receiver;
import dev.sluice.receive.Report;
import dev.sluice.topology.Cidr;
import dev.sluice.topology.HostAndPort;
import dev.sluice.wire.Framing;
import dev.sluice.wire.KeyFile;
import dev.sluice.wire.TlsFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code sluice receive}. */
@Command(
        name = "receive",
        description = "Receives one stream: checks it, records it, or only measures it.",
        mixinStandardHelpOptions = true)
final class ReceiveCommand implements Callable<Integer> {

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:7000",
            description =
                    "Where to listen; port 0 takes a free one. Default: ${DEFAULT-VALUE}; 0.0.0.0 is every address.")
    private String listen = "";

    @Option(names = "--connect", paramLabel = "HOST:PORT", description = "Instead of listening: where a sink listens.")
    private @Nullable String connect;

    @Option(
            names = "--framing",
            paramLabel = "raw|sluice",
            defaultValue = "sluice",
            description = "As the sink sends. Default: ${DEFAULT-VALUE}.")
    private String framing = "";

    @Option(names = "--verify", description = "Check the simulated device's counter pattern, word for word.")
    private boolean verify;

    @Option(
            names = "--record",
            paramLabel = "FILE",
            description = "Write the payload to a file; with framing = sluice, go on with it where it was cut off.")
    private @Nullable Path record;

    @Option(
            names = "--reconnect",
            description =
                    "When a connection breaks off, wait for the sender to come back, or connect again, until END.")
    private boolean reconnect;

    @Option(
            names = "--key-file",
            paramLabel = "FILE",
            description = "Take frames only from a sender that proves it has the same key.")
    private @Nullable Path keyFile;

    @Option(
            names = "--tls-certificate",
            paramLabel = "FILE",
            description = "Encrypt with TLS and show this certificate (PEM). With --listen it is needed for TLS.")
    private @Nullable Path certificate;

    @Option(
            names = "--tls-private-key",
            paramLabel = "FILE",
            description = "The private key of that certificate (PEM).")
    private @Nullable Path privateKey;

    @Option(
            names = "--tls-trust",
            paramLabel = "FILE",
            description = "Encrypt with TLS and ask for a certificate that one of these has signed (PEM). "
                    + "With --connect it is needed for TLS.")
    private @Nullable Path trust;

    @Option(
            names = "--allow",
            paramLabel = "CIDR",
            split = ",",
            description =
                    "With --listen: where a sender may be, such as 192.0.2.0/24,2001:db8::7. Default: everywhere.")
    private List<String> allow = List.of();

    @Option(names = "--json", description = "Print lines of JSON: the address, then the report.")
    private boolean json;

    @Spec
    private CommandSpec spec;

    /** What has come is to be synced, and the report printed. */
    private static final Duration AFTER_INTERRUPT = Duration.ofSeconds(15);

    @Override
    public Integer call() throws IOException {
        Framing chosen = switch (framing.toLowerCase(Locale.ROOT)) {
            case "raw" -> Framing.RAW;
            case "sluice" -> Framing.SLUICE;
            default -> throw Main.wrong(spec, "--framing", framing, "raw or sluice");
        };
        Path key = keyFile;
        if (key != null && chosen == Framing.RAW) {
            throw Main.wrong(spec, "--key-file", key.toString(), "it only with --framing sluice");
        }
        List<Cidr> networks = networks();
        Receiver.Options options = new Receiver.Options(
                chosen,
                verify,
                record,
                reconnect,
                key == null ? null : new KeyFile(key),
                tls(),
                peer -> networks.isEmpty() || networks.stream().anyMatch(network -> network.contains(peer)));
        Receiver receiver = receiver(options);
        return Foreground.run(receiver::interrupt, AFTER_INTERRUPT, () -> run(receiver));
    }

    private int run(Receiver receiver) {
        PrintWriter out = spec.commandLine().getOut();
        try (receiver) {
            if (connect == null) {
                InetSocketAddress bound = receiver.address();
                String where = new HostAndPort(bound.getAddress().getHostAddress(), bound.getPort()).toString();
                out.println(
                        json
                                ? ConfigFactory.parseMap(Map.of("listening", where))
                                        .root()
                                        .render(ConfigRenderOptions.concise())
                                : "listening on " + where);
                out.flush();
            }
            return report(receiver.receive());
        } catch (IOException e) {
            Verbosity.report(e, spec.commandLine().getErr());
            return Main.EXIT_FAILED;
        }
    }

    private int report(Report report) {
        PrintWriter out = spec.commandLine().getOut();
        out.print(json ? report.json() + System.lineSeparator() : report.text());
        out.flush();
        if (!report.problem().isEmpty()) {
            Verbosity.report(
                    new IOException(report.problem()), spec.commandLine().getErr());
        }
        return report.exitCode();
    }

    private @Nullable TlsFiles tls() {
        if (certificate == null && privateKey == null && trust == null) {
            return null;
        }
        TlsFiles files = new TlsFiles(certificate, privateKey, trust);
        String missing = files.missing(connect != null);
        if (!missing.isEmpty()) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "write --tls-" + missing + " FILE, too, in PEM format");
        }
        return files;
    }

    private List<Cidr> networks() {
        List<Cidr> networks = new ArrayList<>();
        for (String text : allow) {
            Cidr network = Cidr.parse(text);
            if (network == null) {
                throw new CommandLine.ParameterException(spec.commandLine(), "--allow " + Cidr.problem(text));
            }
            networks.add(network);
        }
        if (connect != null && !networks.isEmpty()) {
            throw Main.wrong(spec, "--allow", String.join(",", allow), "it only with --listen");
        }
        return List.copyOf(networks);
    }

    private Receiver receiver(Receiver.Options options) throws IOException {
        String to = connect;
        if (to == null) {
            HostAndPort address = HostAndPort.parse(listen);
            if (address == null) {
                throw Main.wrong(spec, "--listen", listen, "HOST:PORT, such as 127.0.0.1:7000");
            }
            return new Receiver(new InetSocketAddress(address.host(), address.port()), options);
        }
        if (spec.commandLine().getParseResult().hasMatchedOption("--listen")) {
            throw Main.wrong(spec, "--connect", to, "either --connect or --listen");
        }
        HostAndPort address = HostAndPort.parse(to);
        if (address == null || address.port() == 0) {
            throw Main.wrong(spec, "--connect", to, "HOST:PORT, such as 127.0.0.1:7000");
        }
        return Receiver.connecting(address.host(), address.port(), options);
    }
}
