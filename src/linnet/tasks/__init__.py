"""What is learned: data with known statistics, from generators or from your files."""

from ._accuracy import accuracy as accuracy, sequence_accuracy as sequence_accuracy
from ._adding import Adding as Adding
from ._batch import Batch as Batch, Split as Split
from ._binary_arithmetic import (
    BinaryAddition as BinaryAddition,
    BinaryMultiplication as BinaryMultiplication,
    ComputeSqrt as ComputeSqrt,
)
from ._bit_memory import (
    DelayedMatch as DelayedMatch,
    NParity as NParity,
    window_match as window_match,
    window_parity as window_parity,
)
from ._bracket_arithmetic import (
    ModularArithmeticBrackets as ModularArithmeticBrackets,
    SolveEquation as SolveEquation,
)
from ._continual_regression import ContinualRegression as ContinualRegression
from ._continuous_integration import ContinuousIntegration as ContinuousIntegration
from ._copying import DelayedCopy as DelayedCopy, SelectiveCopy as SelectiveCopy
from ._counting import (
    CycleNavigation as CycleNavigation,
    EvenPairs as EvenPairs,
    Parity as Parity,
    Sum as Sum,
)
from ._covariance import CovarianceMatching as CovarianceMatching
from ._curriculum import Curriculum as Curriculum
from ._decayed_classes import DecayedClasses as DecayedClasses
from ._digits import digits as digits
from ._entry_transfer import EntryTransfer as EntryTransfer
from ._file_task import FileTask as FileTask
from ._filter_teacher import FilterPatches as FilterPatches, FilterTeacher as FilterTeacher
from ._flip_flop import FlipFlop as FlipFlop
from ._group import (
    Group as Group,
    alternating_group as alternating_group,
    cyclic_group as cyclic_group,
    product_group as product_group,
    symmetric_group as symmetric_group,
)
from ._hierarchical_tree import HierarchicalTree as HierarchicalTree
from ._listops import ListOps as ListOps
from ._modes import SingularModes as SingularModes
from ._modular_arithmetic import ModularArithmetic as ModularArithmetic
from ._moments import (
    AbstractMoments as AbstractMoments,
    Moments as Moments,
    ResidualForm as ResidualForm,
    SequenceMoments as SequenceMoments,
    TemporalMoments as TemporalMoments,
)
from ._parts import Fractions as Fractions
from ._pathway_deficit import PathwayDeficit as PathwayDeficit
from ._polynomial_regression import (
    TEST_PARTS as TEST_PARTS,
    HasPolynomial as HasPolynomial,
    PolynomialRegression as PolynomialRegression,
)
from ._profiles import (
    AbstractProfile as AbstractProfile,
    Constant as Constant,
    Dirac as Dirac,
    Exponential as Exponential,
    InverseExponential as InverseExponential,
    Rotational as Rotational,
    Steps as Steps,
    WithFinal as WithFinal,
)
from ._reading import ColumnReading as ColumnReading, Reading as Reading
from ._recall import AssociativeRecall as AssociativeRecall, InductionHeads as InductionHeads
from ._scale import (
    AbstractScale as AbstractScale,
    Centre as Centre,
    Scaling as Scaling,
    Standardise as Standardise,
    Whiten as Whiten,
)
from ._sensory_integration import SensoryIntegration as SensoryIntegration
from ._sequence_registry import SEQUENCE_TASKS as SEQUENCE_TASKS, sequence_task as sequence_task
from ._sequence_task import AbstractSequenceTask as AbstractSequenceTask, AbstractTokenTask as AbstractTokenTask
from ._sequential_digits import SequentialDigits as SequentialDigits
from ._series import from_series as from_series
from ._series_table import (
    SeriesTable as SeriesTable,
    check_constant as check_constant,
    dates_after as dates_after,
    series_table as series_table,
)
from ._setting import AbstractSetting as AbstractSetting
from ._spectrum import Spectrum as Spectrum, unroll_periods as unroll_periods
from ._string_puzzles import MissingDuplicateString as MissingDuplicateString, StackManipulation as StackManipulation
from ._strings import (
    AbstractStringTask as AbstractStringTask,
    BucketSort as BucketSort,
    Copy as Copy,
    DuplicateString as DuplicateString,
    OddsFirst as OddsFirst,
    ReverseString as ReverseString,
)
from ._table import from_table as from_table
from ._task import AbstractTask as AbstractTask, as_moments as as_moments
from ._task_dynamics import TaskDynamics as TaskDynamics
from ._task_sequence import TaskSequence as TaskSequence
from ._teacher import Teacher as Teacher
from ._text import TextTask as TextTask, text_task as text_task
from ._views import (
    Reconstruction as Reconstruction,
    SelfDistillation as SelfDistillation,
    ViewModes as ViewModes,
    view_modes as view_modes,
)
from ._white_noise import WhiteNoiseIntegration as WhiteNoiseIntegration
from ._whiten import Whitening as Whitening
from ._word_problem import WordProblem as WordProblem
