// SPDX-License-Identifier: Apache-2.0
package dev.sluice.cli;

import java.util.concurrent.Callable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** {@code sluice}. */
@Command(
        name = "sluice",
        description = "Carries data from an FPGA's DMA buffers to the network without copying it.",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        subcommands = {
            RunCommand.class,
            CheckCommand.class,
            GraphCommand.class,
            DemoCommand.class,
            ReceiveCommand.class,
            BenchCommand.class
        })
public final class Main implements Callable<Integer> {

    static final int EXIT_FAILED = 1;
    static final int EXIT_CONFIG = 78;

    public static void main(String[] arguments) {
        // Before any actor logs: whoever logs while SLF4J is being set up by another thread gets a warning printed.
        LoggerFactory.getLogger(Main.class);
        CommandLine commands = new CommandLine(new Main())
                .setExecutionExceptionHandler(Main::explain)
                .setUsageHelpAutoWidth(true);
        System.exit(commands.execute(arguments));
    }

    @Option(
            names = {"-v", "--verbose"},
            scope = ScopeType.INHERIT,
            description = "Log in detail, and show stack traces.")
    void verbose(boolean on) {
        Verbosity.set(on);
    }

    /** Without a subcommand: the help. */
    @Override
    public Integer call() {
        CommandLine.usage(this, System.err);
        return CommandLine.ExitCode.USAGE;
    }

    /** One sentence; the stack trace only for those who asked. */
    private static int explain(Exception failure, CommandLine command, CommandLine.ParseResult parsed) {
        Verbosity.report(failure, command.getErr());
        return EXIT_FAILED;
    }

    /** An option's value that makes no sense: exit status 2, with the usage. */
    static CommandLine.ParameterException wrong(CommandSpec spec, String option, String value, String expected) {
        return new CommandLine.ParameterException(
                spec.commandLine(), option + " is \"" + value + "\"; write " + expected);
    }

    /** The version of the jar. */
    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Main.class.getPackage().getImplementationVersion();
            return new String[] {"sluice " + (version == null ? "(not packaged)" : version)};
        }
    }
}
